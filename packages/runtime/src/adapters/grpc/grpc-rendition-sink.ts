import type { sink } from '@millrace/contracts';
import type { RenditionSink, SinkStream } from '../../ports/rendition-sink.ts';
import { ServiceError } from '../../service-error.ts';
import type { DuplexCall, GrpcChannel } from './grpc-channel.ts';
import type { GrpcMetrics } from './grpc-metrics.ts';
import { ended, GrpcSinkStream, marshalRequest } from './grpc-sink-stream.ts';
import { checkPublishAnswer } from './message-checks.ts';
import { invalidMessage } from './method.ts';
import { PUBLISH } from './methods.ts';
import { fromRefusal } from './sink-refusal.ts';

/** A packager that has just started asks its twin before it answers. */
const HELLO_DEADLINE_MS = 10_000;
/** What a slow packager may cost for each stream. */
const MAX_UNACKNOWLEDGED_BYTES = 64 * 1024 * 1024;

/**
 * The `RenditionSink` of a packager behind a channel.
 *
 * What waits for its acknowledgement is bounded in bytes, though one message always has room: beyond, the stream fails with
 * `GRPC_SINK_STALLED` (`RESOURCE_EXHAUSTED`, retryable), which frees all of it. How long it may wait is the worker's to judge.
 */
export class GrpcRenditionSink implements RenditionSink {
  readonly #channel: GrpcChannel;
  readonly #metrics: GrpcMetrics;
  readonly #maxUnacknowledgedBytes: number;
  readonly #helloMs: number;

  constructor(
    channel: GrpcChannel,
    options: {
      readonly metrics: GrpcMetrics;
      readonly maxUnacknowledgedBytes?: number;
      readonly helloMs?: number;
    },
  ) {
    this.#channel = channel;
    this.#metrics = options.metrics;
    this.#maxUnacknowledgedBytes = options.maxUnacknowledgedBytes ?? MAX_UNACKNOWLEDGED_BYTES;
    this.#helloMs = options.helloMs ?? HELLO_DEADLINE_MS;
  }

  async open(hello: sink.Hello, signal: AbortSignal): Promise<SinkStream> {
    signal.throwIfAborted();
    const message = marshalRequest({ $case: 'hello', value: hello });
    const call = this.#channel.duplex(PUBLISH, { check: checkPublishAnswer, signal });
    try {
      call.write(message);
      const reply = await this.#readReply(call, signal);
      const [metrics, maxUnacknowledgedBytes] = [this.#metrics, this.#maxUnacknowledgedBytes];
      return new GrpcSinkStream({ call, reply, signal, maxUnacknowledgedBytes, metrics });
    } catch (error) {
      call.cancel();
      throw error;
    }
  }

  async #readReply(call: DuplexCall<sink.PublishResponse>, signal: AbortSignal): Promise<sink.HelloReply> {
    const silence = Promise.withResolvers<never>();
    const timer = setTimeout(() => silence.reject(silent(this.#helloMs)), this.#helloMs);
    try {
      const first = await Promise.race([call.answers.next(), silence.promise]);
      signal.throwIfAborted();
      if (first.done === true) throw ended();
      const { payload } = first.value;
      if (payload?.$case === 'refusal') throw fromRefusal(payload.value);
      if (payload?.$case !== 'helloReply') throw invalidMessage('the packager does not answer the hello');
      return payload.value;
    } finally {
      clearTimeout(timer);
    }
  }
}

function silent(helloMs: number): ServiceError {
  return new ServiceError(
    'DEADLINE_EXCEEDED',
    'GRPC_HELLO_UNANSWERED',
    `The packager has not answered a hello for ${helloMs} ms; call again`,
    { retryable: true },
  );
}
