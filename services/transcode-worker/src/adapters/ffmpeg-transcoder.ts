import type { relay, session } from '@millrace/contracts';
import { ffmpegArguments, outputRenditions } from '../domain/ffmpeg-arguments.ts';
import type { TranscodePlan } from '../domain/ffmpeg-arguments.ts';
import type {
  StartTranscoder,
  Transcoder,
  TranscoderExit,
  TranscoderListener,
} from '../domain/transcoder.ts';
import { PipedChild } from './child-process.ts';
import type { ChildExit, SendSignal } from './child-process.ts';
import { TranscoderInput } from './transcoder-input.ts';
import { TranscoderOutput } from './transcoder-output.ts';

/** The program, and what starts and ends it. */
export interface FfmpegLaunch {
  readonly path: string;
  /** Put in front of the command line. */
  readonly launcher?: readonly string[];
  readonly sendSignal: SendSignal;
}

/** Makes the function that starts an ffmpeg. */
export function createFfmpegTranscoder(launch: FfmpegLaunch): StartTranscoder {
  return (plan, audioTrack, listener) => FfmpegTranscoder.start(launch, plan, audioTrack, listener);
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
  readonly #output: TranscoderOutput;

  static start(
    launch: FfmpegLaunch,
    plan: TranscodePlan,
    audioTrack: session.Track | undefined,
    listener: TranscoderListener,
  ): FfmpegTranscoder {
    return new FfmpegTranscoder(launch, plan, audioTrack, listener);
  }

  private constructor(
    { path, launcher = [], sendSignal }: FfmpegLaunch,
    plan: TranscodePlan,
    audioTrack: session.Track | undefined,
    listener: TranscoderListener,
  ) {
    const outputs = outputRenditions(plan).length;
    this.#output = new TranscoderOutput(outputs, listener);
    this.#child = PipedChild.start({
      command: [...launcher, path, ...ffmpegArguments(plan)],
      outputs,
      onOutput: (index, chunk) => this.#output.push(index, chunk),
      sendSignal,
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
    this.#output.end();
    this.#child.kill();
  }
}

function exitOf({ code, signal, stderrTail }: ChildExit): TranscoderExit {
  const ended = signal === null ? `exit code ${code ?? 'unknown'}` : `signal ${signal}`;
  return { isClean: code === 0, detail: `${ended}: ${stderrTail.trim()}`.slice(0, 1024) };
}
