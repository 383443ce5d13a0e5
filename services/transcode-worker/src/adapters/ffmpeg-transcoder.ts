import type { relay, session } from '@millrace/contracts';
import { FragmentReader } from '@millrace/media';
import type { TrackFragment } from '@millrace/media';
import { ffmpegArguments, outputRenditions } from '../domain/ffmpeg-arguments.ts';
import type { TranscodePlan } from '../domain/ffmpeg-arguments.ts';
import type {
  StartTranscoder,
  Transcoder,
  TranscoderExit,
  TranscoderListener,
} from '../domain/transcoder.ts';
import { PipedChild } from './child-process.ts';
import type { ChildExit } from './child-process.ts';
import { TranscoderInput } from './transcoder-input.ts';

/** Makes the function that starts an ffmpeg. */
export function createFfmpegTranscoder(path: string): StartTranscoder {
  return (plan, audioTrack, listener) => FfmpegTranscoder.start(path, plan, audioTrack, listener);
}

/**
 * One ffmpeg: access units go to its standard input, single-frame fragments come from one pipe for each rendition.
 *
 * The pipes are always drained; output after a kill, or after something that does not parse, is dropped.
 */
class FfmpegTranscoder implements Transcoder {
  readonly exited: Promise<TranscoderExit>;
  readonly #child: PipedChild;
  readonly #input: TranscoderInput;
  readonly #readers: readonly FragmentReader[];
  readonly #listener: TranscoderListener;
  #isOver = false;

  static start(
    path: string,
    plan: TranscodePlan,
    audioTrack: session.Track | undefined,
    listener: TranscoderListener,
  ): FfmpegTranscoder {
    return new FfmpegTranscoder(path, plan, audioTrack, listener);
  }

  private constructor(
    path: string,
    plan: TranscodePlan,
    audioTrack: session.Track | undefined,
    listener: TranscoderListener,
  ) {
    this.#listener = listener;
    this.#readers = outputRenditions(plan).map(() => new FragmentReader());
    this.#child = PipedChild.start({
      path,
      arguments: ffmpegArguments(plan),
      outputs: this.#readers.length,
      onOutput: (index, chunk) => this.#onOutput(index, chunk),
    });
    this.exited = this.#child.exited.then(exitOf);
    this.#input = new TranscoderInput([plan.videoTrack, audioTrack].filter((track) => track !== undefined));
    this.#child.write([this.#input.header]);
  }

  get queuedBytes(): number {
    return this.#child.queuedBytes;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  write(fragments: readonly relay.Fragment[]): void {
    if (fragments.length > 0) this.#child.write(this.#input.mux(fragments));
  }

  drained(): Promise<void> {
    return this.#child.drained();
  }

  end(): void {
    this.#child.end();
  }

  kill(): void {
    this.#isOver = true;
    this.#child.kill();
  }

  #onOutput(index: number, chunk: Buffer): void {
    if (this.#isOver) return;
    try {
      for (const event of this.#readers[index]?.push(chunk) ?? []) {
        if (event.kind === 'init') this.#listener.onHeader(index, event.track);
        else this.#deliver(index, event.fragment);
      }
    } catch (error) {
      // Whatever came out cannot be trusted any more, and neither can what would follow.
      this.#isOver = true;
      this.#listener.onInvalidOutput(error instanceof Error ? error.message : String(error));
    }
  }

  #deliver(index: number, fragment: TrackFragment): void {
    let dts = fragment.baseMediaDecodeTime;
    for (const sample of fragment.samples) {
      this.#listener.onSample(index, { ...sample, dts });
      dts += sample.duration;
    }
  }
}

function exitOf({ code, signal, stderrTail }: ChildExit): TranscoderExit {
  const ended = signal === null ? `exit code ${code ?? 'unknown'}` : `signal ${signal}`;
  return { isClean: code === 0, detail: `${ended}: ${stderrTail.trim()}`.slice(0, 1024) };
}
