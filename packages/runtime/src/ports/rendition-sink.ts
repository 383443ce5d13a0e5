import type { sink } from '@millrace/contracts';

/**
 * The packager's side of the media path, as a worker sees it.
 *
 * `open` sends the hello and returns once it was answered. Throws `ServiceError` with code `FAILED_PRECONDITION`
 * (`PACKAGER_TOKEN_STALE`) when a higher token rules the position.
 */
export interface RenditionSink {
  open(hello: sink.Hello, signal: AbortSignal): Promise<SinkStream>;
}

/** An open publish stream; owned and closed by the worker. */
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
