import type { sink } from '@millrace/contracts';

/**
 * The packager's side of the media path, as a worker sees it.
 *
 * `open` sends the hello and returns once it was answered. Throws `ServiceError` with code `FAILED_PRECONDITION`
 * (`PACKAGER_TOKEN_STALE`, with `details.rulingToken`) when a higher token rules the position, or `PACKAGER_SESSION_ENDED`.
 */
export interface RenditionSink {
  open(hello: sink.Hello, signal: AbortSignal): Promise<SinkStream>;
}

/**
 * An open publish stream; owned and closed by the worker.
 *
 * Nothing needs to wait for the acknowledgement of what was published before it; all is taken in order. After a rejection the
 * worker closes the stream and opens another one: some sinks end it with the refusal. Publishing after `close` is rejected
 * with `PACKAGER_STREAM_CLOSED`; an abort of the signal closes too.
 */
export interface SinkStream {
  /** What the packager holds already: rows, resume points, init segments. */
  readonly reply: sink.HelloReply;
  /** Publishes an init segment; resolves when it is stored. */
  publishInit(init: sink.InitSegment): Promise<void>;
  /** Publishes a part; resolves with its acknowledgement, rejects when a higher token rules the position. */
  publishPart(part: sink.Part): Promise<void>;
  /** Ends the stream; what was published stays. */
  close(): void;
}
