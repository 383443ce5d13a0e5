import type { sink } from '@millrace/contracts';
import { ServiceError } from '@millrace/runtime';
import type { SinkStream } from '@millrace/runtime';

/** Parts that may wait for their acknowledgement. */
const MAX_UNACKNOWLEDGED_BYTES = 64 * 1024 * 1024;
/** How long the packager may leave everything that waits without an acknowledgement. */
const ACKNOWLEDGE_DEADLINE_MS = 5000;

/** A part that the packager did not take. */
export type RefusedPart = Pick<sink.Part, 'renditionId' | 'position'>;

/** What a publisher tells. */
export interface PublisherListener {
  /** The packager took something. */
  onAcknowledged(): void;
  /** The stream is of no use any more; called once, with the part with media that was refused when it was one. */
  onFailure(error: unknown, refused?: RefusedPart): void;
}

/**
 * Hands parts to the packager in order, without waiting for each.
 *
 * What waits for an acknowledgement is bounded, and so is how long; a packager that is slower than that, or that refuses, fails
 * the stream.
 */
export class PartPublisher {
  readonly #stream: SinkStream;
  readonly #listener: PublisherListener;
  readonly #acknowledgeMs: number;
  /** Of the newest period of each rendition, and of later ones that others have fixed. */
  readonly #inits = new Map<string, sink.InitSegment>();
  readonly #unacknowledged = new Set<Promise<void>>();
  readonly #failed = Promise.withResolvers<void>();
  #unacknowledgedBytes = 0;
  #hasFailed = false;
  #refusedParts = 0;
  #silence: NodeJS.Timeout | undefined;

  constructor(
    stream: SinkStream,
    listener: PublisherListener,
    options: { readonly acknowledgeMs?: number } = {},
  ) {
    this.#stream = stream;
    this.#listener = listener;
    this.#acknowledgeMs = options.acknowledgeMs ?? ACKNOWLEDGE_DEADLINE_MS;
    for (const init of stream.reply.inits) this.#inits.set(keyOf(init), init);
  }

  /** Parts with media that the packager did not take, or that were not offered to it any more. */
  get refusedParts(): number {
    return this.#refusedParts;
  }

  /** Publishes a rendition's init segment of a period; false when another one was fixed before. */
  publishInit(init: sink.InitSegment): boolean {
    const known = this.#inits.get(keyOf(init));
    if (known !== undefined) return known.data.equals(init.data);
    // A rendition does not go back to a period before.
    for (const [key, { renditionId, period }] of this.#inits)
      if (renditionId === init.renditionId && period < init.period) this.#inits.delete(key);
    this.#inits.set(keyOf(init), init);
    if (!this.#hasFailed) this.#track(this.#stream.publishInit(init), init.data.byteLength, undefined);
    return true;
  }

  /** Publishes a part. */
  publish(part: sink.Part): void {
    if (!this.#hasFailed && this.#unacknowledgedBytes > MAX_UNACKNOWLEDGED_BYTES) {
      this.#fail(
        new ServiceError(
          'RESOURCE_EXHAUSTED',
          'WORKER_PACKAGER_SLOW',
          `more than ${MAX_UNACKNOWLEDGED_BYTES} bytes wait for the packager: the stream is opened again`,
          { retryable: true },
        ),
      );
    }
    if (!this.#hasFailed) {
      const { renditionId, position } = part;
      const media = part.isGap ? undefined : { renditionId, position };
      this.#track(this.#stream.publishPart(part), part.data.byteLength, media);
    } else if (!part.isGap) this.#refusedParts += 1;
  }

  /** Resolves when everything that was handed over is acknowledged, or the stream has failed. */
  async settled(): Promise<void> {
    await Promise.race([Promise.allSettled(this.#unacknowledged), this.#failed.promise]);
  }

  /** Closes the stream: nothing more is waited for. */
  close(): void {
    clearTimeout(this.#silence);
    this.#silence = undefined;
    this.#hasFailed = true;
    this.#stream.close();
  }

  #track(acknowledgement: Promise<void>, bytes: number, media: RefusedPart | undefined): void {
    this.#unacknowledgedBytes += bytes;
    this.#silence ??= this.#awaitAcknowledgement();
    const tracked = acknowledgement
      .then(
        () => this.#onAcknowledged(),
        (error: unknown) => {
          if (media !== undefined) this.#refusedParts += 1;
          this.#fail(error, media);
        },
      )
      .finally(() => {
        this.#unacknowledgedBytes -= bytes;
        this.#unacknowledged.delete(tracked);
        if (this.#unacknowledged.size > 0) return;
        clearTimeout(this.#silence);
        this.#silence = undefined;
      });
    this.#unacknowledged.add(tracked);
  }

  #onAcknowledged(): void {
    if (this.#hasFailed) return;
    this.#silence?.refresh();
    this.#listener.onAcknowledged();
  }

  #awaitAcknowledgement(): NodeJS.Timeout {
    return setTimeout(() => {
      this.#fail(
        new ServiceError(
          'DEADLINE_EXCEEDED',
          'WORKER_PACKAGER_SILENT',
          `the packager acknowledged nothing for ${this.#acknowledgeMs} ms: the stream is opened again`,
          { retryable: true },
        ),
      );
    }, this.#acknowledgeMs);
  }

  #fail(error: unknown, refused?: RefusedPart): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    clearTimeout(this.#silence);
    this.#failed.resolve();
    this.#listener.onFailure(error, refused);
  }
}

function keyOf(init: sink.InitSegment): string {
  return `${init.period}/${init.renditionId}`;
}
