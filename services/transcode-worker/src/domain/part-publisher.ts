import type { sink } from '@millrace/contracts';
import { ServiceError } from '@millrace/runtime';
import type { SinkStream } from '@millrace/runtime';

/** Parts that may wait for their acknowledgement. */
const MAX_UNACKNOWLEDGED_BYTES = 64 * 1024 * 1024;

/**
 * Hands parts to the packager in order, without waiting for each.
 *
 * What waits for an acknowledgement is bounded; a packager that is slower than that, or that refuses, fails the stream.
 */
export class PartPublisher {
  readonly #stream: SinkStream;
  readonly #onFailure: (error: unknown) => void;
  readonly #inits = new Map<string, Buffer>();
  #unacknowledged = new Set<Promise<void>>();
  #unacknowledgedBytes = 0;
  #hasFailed = false;

  constructor(stream: SinkStream, onFailure: (error: unknown) => void) {
    this.#stream = stream;
    this.#onFailure = onFailure;
    for (const init of stream.reply.inits) this.#inits.set(keyOf(init), init.data);
  }

  /** Publishes a rendition's init segment of a period; false when another one was fixed before. */
  publishInit(init: sink.InitSegment): boolean {
    const known = this.#inits.get(keyOf(init));
    if (known !== undefined) return known.equals(init.data);
    this.#inits.set(keyOf(init), init.data);
    this.#track(this.#stream.publishInit(init), init.data.byteLength);
    return true;
  }

  /** Publishes a part. */
  publish(part: sink.Part): void {
    if (this.#hasFailed) return;
    if (this.#unacknowledgedBytes > MAX_UNACKNOWLEDGED_BYTES) {
      this.#fail(
        new ServiceError(
          'RESOURCE_EXHAUSTED',
          'WORKER_PACKAGER_SLOW',
          `more than ${MAX_UNACKNOWLEDGED_BYTES} bytes wait for the packager: the stream is opened again`,
          { retryable: true },
        ),
      );
      return;
    }
    this.#track(this.#stream.publishPart(part), part.data.byteLength);
  }

  /** Resolves when everything that was handed over is acknowledged, or the stream has failed. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#unacknowledged);
  }

  #track(acknowledgement: Promise<void>, bytes: number): void {
    this.#unacknowledgedBytes += bytes;
    const tracked = acknowledgement
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#unacknowledgedBytes -= bytes;
        this.#unacknowledged.delete(tracked);
      });
    this.#unacknowledged.add(tracked);
  }

  #fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#onFailure(error);
  }
}

function keyOf(init: sink.InitSegment): string {
  return `${init.period}/${init.renditionId}`;
}
