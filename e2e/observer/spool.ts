import { appendFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A stretch of one rendition without a discontinuity or a hole: one file that a decoder takes as it is. */
export interface Run {
  readonly path: string;
  readonly where: string;
  /** Samples of the track; unknown (0) for MPEG-TS. */
  samples: number;
  segments: number;
}

/** Temporary files of what was served, in a directory of their own, bounded in bytes. */
export class Spool {
  readonly #directory = mkdtempSync(join(tmpdir(), 'millrace-observer-'));
  readonly #maxBytes: number;
  readonly #runs: Run[] = [];
  #bytes = 0;

  readonly #onExit = (): void => this.remove();

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    // Of an observer that is ended in the middle nothing is left either.
    process.once('exit', this.#onExit);
  }

  get runs(): readonly Run[] {
    return this.#runs;
  }

  /** Begins a run; `head` is the init segment, or nothing. */
  begin(where: string, extension: string, head: Buffer): Run {
    const path = join(this.#directory, `${this.#runs.length}.${extension}`);
    writeFileSync(path, head);
    this.#bytes += head.length;
    const run = { path, where, samples: 0, segments: 0 };
    this.#runs.push(run);
    return run;
  }

  /** Adds a segment to a run; throws when the bound is reached. */
  append(run: Run, bytes: Buffer, samples: number): void {
    this.#bytes += bytes.length;
    if (this.#bytes > this.#maxBytes) {
      throw new Error(
        `the observer has ${this.#maxBytes} bytes on disk: give it less time, or allow it more`,
      );
    }
    if (!existsSync(run.path)) throw new Error(`${run.path} was removed under the observer`);
    appendFileSync(run.path, bytes);
    run.samples += samples;
    run.segments += 1;
  }

  /** Removes everything. */
  remove(): void {
    process.off('exit', this.#onExit);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
