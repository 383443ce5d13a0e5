import { FragmentReader } from '@millrace/media';
import type { TrackFragment } from '@millrace/media';
import type { TranscoderListener } from '../domain/transcoder.ts';

/**
 * Reads what comes out of ffmpeg: fragmented MP4 of one track from each pipe.
 *
 * It is hostile until it was parsed and the listener has asserted it: whatever is wrong ends the run, is told once, with the
 * name of its error, and nothing of any output is delivered after it. Never throws.
 */
export class TranscoderOutput {
  readonly #readers: readonly FragmentReader[];
  readonly #listener: TranscoderListener;
  #isOver = false;

  constructor(outputs: number, listener: TranscoderListener) {
    this.#readers = Array.from({ length: outputs }, () => new FragmentReader());
    this.#listener = listener;
  }

  /** Takes bytes of one output. They must not change afterwards. */
  push(output: number, chunk: Buffer): void {
    if (this.#isOver) return;
    try {
      for (const event of this.#readers[output]?.push(chunk) ?? []) {
        if (event.kind === 'init') this.#listener.onHeader(output, event.track);
        else this.#deliver(output, event.fragment);
      }
    } catch (error) {
      // Whatever came out cannot be trusted any more, and neither can what would follow.
      this.#isOver = true;
      this.#listener.onInvalidOutput(
        output,
        error instanceof Error ? `${error.name}: ${error.message}` : String(error),
      );
    }
  }

  /** Whatever comes from here on is dropped. */
  end(): void {
    this.#isOver = true;
  }

  #deliver(output: number, fragment: TrackFragment): void {
    let dts = fragment.baseMediaDecodeTime;
    for (const sample of fragment.samples) {
      this.#listener.onSample(output, { ...sample, dts });
      dts += sample.duration;
    }
  }
}
