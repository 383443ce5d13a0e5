import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

const ROOT = `${import.meta.dirname}/../`;
const STOP_DEADLINE_MS = 10_000;
const MAX_LAST_WORDS = 2000;

/** How a child ended. */
export interface ChildEnd {
  /** `exit code 1`, `SIGKILL`, or why it could not be started. */
  readonly how: string;
  /** It refused to start and has said why. */
  readonly isRefusal: boolean;
  /** The end of what a quiet child wrote to its standard error. */
  readonly lastWords: string;
}

/** A process that was started. */
export interface Child {
  readonly pid: number | undefined;
  readonly output: Readable;
  readonly ended: Promise<ChildEnd>;
}

/**
 * Owns processes, and ends them in order.
 *
 * Each has a process group of its own, so that ctrl-C reaches this process alone.
 */
export class Children {
  readonly #running = new Set<ChildProcess>();
  readonly #owned: { stop(): Promise<void> }[] = [];
  #isStopped = false;

  /** Starts a program; a quiet one keeps to itself what it writes to its standard error. Throws once `stop` was called. */
  spawn(program: string, args: readonly string[], options: { readonly isQuiet?: boolean } = {}): Child {
    if (this.#isStopped) throw new Error(`${program} is not started any more: everything is being stopped`);
    const child = spawn(program, args, { cwd: ROOT, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#running.add(child);
    child.stdout.resume();
    let lastWords = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (options.isQuiet === true) lastWords = (lastWords + text).slice(-MAX_LAST_WORDS);
      else process.stderr.write(text);
    });
    const ended = once(child, 'close').then(
      ([code, signal]: (number | string | null)[]) => ({
        how: signal === null ? `exit code ${code}` : String(signal),
        isRefusal: code === 2,
        lastWords: lastWords.trim(),
      }),
      (error: unknown) => ({ how: (error as Error).message, isRefusal: false, lastWords: '' }),
    );
    void ended.then(() => this.#running.delete(child));
    return { pid: child.pid, output: child.stdout, ended };
  }

  /** Takes something over that the next `stop` ends, after the children. */
  own(stoppable: { stop(): Promise<void> }): void {
    this.#owned.push(stoppable);
  }

  /** Ends every child, the youngest first: asks, waits, then kills. A publisher that loses its server would complain. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const child of [...this.#running].toReversed()) {
      const deadline = AbortSignal.timeout(STOP_DEADLINE_MS);
      signalGroup(child, 'SIGTERM');
      while (this.#running.has(child) && !deadline.aborted) await delay(20);
      signalGroup(child, 'SIGKILL');
    }
    for (const owned of this.#owned.splice(0).toReversed()) await owned.stop();
  }
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // The group is gone already.
  }
}
