import type { relay, session } from '@millrace/contracts';
import type { InitTrack } from '@millrace/media';
import type { TranscodePlan } from './ffmpeg-arguments.ts';
import type { MediaSample } from './media-sample.ts';

/** How a run ended. */
export interface TranscoderExit {
  /** True when it ended by itself, without an error, after its input was ended. */
  readonly isClean: boolean;
  /** Last words, at most 1 kB. */
  readonly detail: string;
}

/** Receives what comes out; outputs are numbered as the plan has them. A throw ends the run. */
export interface TranscoderListener {
  onHeader(output: number, header: InitTrack): void;
  onSample(output: number, sample: MediaSample): void;
  /** An output is not what it should be; nothing more comes of any. */
  onInvalidOutput(output: number, detail: string): void;
}

/** One run of the transcoder. */
export interface Transcoder {
  /** Resolves when it is gone and all its output was delivered. */
  readonly exited: Promise<TranscoderExit>;
  /** Bytes that wait to be read by it. */
  readonly queuedBytes: number;
  readonly pid: number | undefined;
  /** Hands over access units in decode order per track. */
  write(fragments: readonly relay.Fragment[]): void;
  /** Resolves when nothing waits any more. */
  drained(): Promise<void>;
  /** No more input: it finishes what it has, and exits. */
  end(): void;
  /** Ends it at once, whatever state it is in; output that comes after this is dropped. */
  kill(): void;
}

/** Starts a run. `audioTrack` is set when the plan has audio. */
export type StartTranscoder = (
  plan: TranscodePlan,
  audioTrack: session.Track | undefined,
  listener: TranscoderListener,
) => Transcoder;
