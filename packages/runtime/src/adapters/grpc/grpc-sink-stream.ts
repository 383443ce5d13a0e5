import type { sink } from '@millrace/contracts';
import type { SinkStream } from '../../ports/rendition-sink.ts';
import { ServiceError } from '../../service-error.ts';
import type { DuplexCall } from './grpc-channel.ts';
import type { GrpcMetrics } from './grpc-metrics.ts';
import { invalidMessage, marshal, methodName } from './method.ts';
import { PUBLISH } from './methods.ts';
import { fromRefusal } from './sink-refusal.ts';

/** How long the packager may go on with what was sent before the stream was closed. */
const CLOSE_LINGER_MS = 2000;

/** Something that was sent and is not acknowledged. */
interface Pending {
  readonly renditionId: string;
  /** Unset for an init segment. */
  readonly position: sink.Position | undefined;
  readonly bytes: number;
  resolve(): void;
  reject(error: unknown): void;
}

/** What a stream is opened with. */
export interface GrpcSinkStreamOptions {
  readonly call: DuplexCall<sink.PublishResponse>;
  readonly reply: sink.HelloReply;
  readonly signal: AbortSignal;
  readonly maxUnacknowledgedBytes: number;
  readonly metrics: GrpcMetrics;
}

/** An open publish stream over gRPC; acknowledgements come in the order in which parts and init segments were sent. */
export class GrpcSinkStream implements SinkStream {
  readonly reply: sink.HelloReply;
  readonly #options: GrpcSinkStreamOptions;
  readonly #pending: Pending[] = [];
  #pendingBytes = 0;
  #isClosed = false;
  #failure: { readonly error: unknown } | undefined;
  #linger: NodeJS.Timeout | undefined;

  constructor(options: GrpcSinkStreamOptions) {
    this.#options = options;
    this.reply = options.reply;
    void this.#readAnswers();
  }

  async publishInit(init: sink.InitSegment): Promise<void> {
    await this.#publish({ $case: 'init', value: init }, init.renditionId, undefined);
  }

  async publishPart(part: sink.Part): Promise<void> {
    await this.#publish({ $case: 'part', value: part }, part.renditionId, part.position);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#failure !== undefined) return;
    this.#options.call.end();
    this.#linger = setTimeout(() => this.#fail(closed()), CLOSE_LINGER_MS);
  }

  async #publish(
    payload: NonNullable<sink.PublishRequest['payload']>,
    renditionId: string,
    position: sink.Position | undefined,
  ): Promise<void> {
    const { call, signal } = this.#options;
    signal.throwIfAborted();
    if (this.#isClosed) throw closed();
    if (this.#failure !== undefined) throw this.#failure.error;
    const message = marshalRequest(payload);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#assertRoomFor(message.byteLength);
    this.#pendingBytes += message.byteLength;
    this.#pending.push({ renditionId, position, bytes: message.byteLength, resolve, reject });
    call.write(message);
    await promise;
  }

  #assertRoomFor(bytes: number): void {
    const { maxUnacknowledgedBytes, metrics } = this.#options;
    if (this.#pending.length === 0 || this.#pendingBytes + bytes <= maxUnacknowledgedBytes) return;
    metrics.stalledStreams.inc({ method: methodName(PUBLISH.path) });
    const error = stalled(maxUnacknowledgedBytes);
    this.#fail(error);
    throw error;
  }

  async #readAnswers(): Promise<void> {
    const { call, signal } = this.#options;
    try {
      for (;;) {
        const next = await call.answers.next();
        if (next.done === true) throw signal.aborted ? signal.reason : ended();
        this.#take(next.value);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #take({ payload }: sink.PublishResponse): void {
    if (payload?.$case === 'refusal') throw fromRefusal(payload.value);
    const [first] = this.#pending;
    if (payload?.$case !== 'ack' || first === undefined || !isOf(payload.value, first)) {
      throw invalidMessage('the packager acknowledges something else than what was sent first');
    }
    this.#pending.shift();
    this.#pendingBytes -= first.bytes;
    first.resolve();
  }

  /** Nothing more is sent or waited for. */
  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    clearTimeout(this.#linger);
    this.#options.call.cancel();
    this.#pendingBytes = 0;
    for (const pending of this.#pending.splice(0)) pending.reject(error);
  }
}

/** Makes the bytes of a message; a value that has none is refused as the packager would refuse it. */
export function marshalRequest(payload: NonNullable<sink.PublishRequest['payload']>): Buffer {
  try {
    return marshal(PUBLISH.request, { payload });
  } catch (error) {
    throw new ServiceError('INVALID_ARGUMENT', 'PACKAGER_INVALID', (error as Error).message, {
      cause: error,
    });
  }
}

/** The packager has ended the stream without a word. */
export function ended(): ServiceError {
  return new ServiceError(
    'UNAVAILABLE',
    'GRPC_STREAM_ENDED',
    'The packager has ended the stream: it is going away; open another one',
  );
}

function isOf({ renditionId, position }: sink.Ack, pending: Pending): boolean {
  return (
    renditionId === pending.renditionId &&
    position?.k === pending.position?.k &&
    position?.part === pending.position?.part
  );
}

function closed(): ServiceError {
  return new ServiceError(
    'FAILED_PRECONDITION',
    'PACKAGER_STREAM_CLOSED',
    'This stream was closed by its owner; open another one.',
  );
}

function stalled(maxBytes: number): ServiceError {
  return new ServiceError(
    'RESOURCE_EXHAUSTED',
    'GRPC_SINK_STALLED',
    `More than ${maxBytes} bytes would wait for the packager, so the stream was ended; open another one`,
    { retryable: true },
  );
}
