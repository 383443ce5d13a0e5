import type { EventEmitter } from 'node:events';
import type { Writable } from 'node:stream';
import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
} from '@grpc/grpc-js';
import type { Logger } from '../../logger.ts';
import { ServiceError } from '../../service-error.ts';
import { toServiceError, toStatus } from './grpc-errors.ts';
import type { GrpcMetrics } from './grpc-metrics.ts';
import type { GrpcLibrary } from './load-grpc.ts';
import { readMessages } from './message-reader.ts';
import { writeMessage } from './message-writer.ts';
import { marshal, methodName } from './method.ts';
import type { Method, Received } from './method.ts';

/** What every call of a server needs. */
export interface CallContext {
  readonly logger: Logger;
  readonly metrics: GrpcMetrics;
  /** How long a peer may leave a message untaken, in ms. */
  readonly stallMs: number;
}

/**
 * Runs the calls of a server: what a port gives becomes messages, what it throws a status, what the peer gives up an abort.
 *
 * A stream of answers is taken from when the answer before is on its way, so that a slow peer costs one message.
 */
export class CallRunner {
  readonly #grpc: GrpcLibrary;
  readonly #context: CallContext;

  constructor(grpc: GrpcLibrary, context: CallContext) {
    this.#grpc = grpc;
    this.#context = context;
  }

  /** Answers one request with one message. */
  unary<Q, A>(
    method: Method<Q, A>,
    answer: (request: Q) => Promise<A>,
  ): handleUnaryCall<Received<Q>, Buffer> {
    const run = async (
      request: Received<Q>,
      callback: Parameters<handleUnaryCall<Received<Q>, Buffer>>[1],
    ): Promise<void> => {
      let bytes: Buffer;
      try {
        bytes = marshal(method.response, await answer(required(request)));
      } catch (error) {
        callback(this.#statusOf(method, error));
        return;
      }
      callback(null, bytes);
    };
    return (call, callback) => void run(call.request, callback);
  }

  /** Answers one request with a stream. */
  stream<Q, A>(
    method: Method<Q, A>,
    answers: (request: Q, signal: AbortSignal) => AsyncIterable<A>,
  ): handleServerStreamingCall<Received<Q>, Buffer> {
    return (call) => {
      const signal = cancellationOf(call);
      void this.#send(call, method, signal, () => answers(required(call.request), signal));
    };
  }

  /** Answers a stream with a stream. */
  duplex<Q, A>(
    method: Method<Q, A>,
    answers: (requests: AsyncIterator<Q>, signal: AbortSignal) => AsyncIterable<A>,
  ): handleBidiStreamingCall<Received<Q>, Buffer> {
    return (call) => {
      const signal = cancellationOf(call);
      void this.#send(call, method, signal, () => answers(readMessages<Q>(call, signal), signal));
    };
  }

  async #send<Q, A>(
    call: Writable,
    method: Method<Q, A>,
    signal: AbortSignal,
    answers: () => AsyncIterable<A>,
  ): Promise<void> {
    const { stallMs, metrics } = this.#context;
    try {
      for await (const answer of answers()) {
        const bytes = marshal(method.response, answer);
        const outcome = await writeMessage(call, bytes, { signal, stallMs });
        if (outcome === 'aborted') return;
        if (outcome === 'stalled') {
          metrics.stalledStreams.inc({ method: methodName(method.path) });
          throw stalled(stallMs);
        }
      }
      call.end();
    } catch (error) {
      // Nobody hears what a port says to a call that was given up.
      if (!signal.aborted) call.emit('error', this.#statusOf(method, error));
    }
  }

  #statusOf(
    { path }: { readonly path: string },
    failure: unknown,
  ): { readonly code: number; readonly details: string; readonly metadata: Metadata } {
    const { metrics, logger } = this.#context;
    const error = toServiceError(failure);
    const name = methodName(path);
    metrics.failedCalls.inc({ method: name, error: error.id });
    if (error.cause === failure) logger.error({ method: name, err: failure }, 'A call failed without a name');
    const { code, details, entry } = toStatus(error);
    const metadata = new this.#grpc.Metadata();
    metadata.set(...entry);
    return { code, details, metadata };
  }
}

/** The message, if it is one. */
function required<T>(received: Received<T>): T {
  if (received instanceof ServiceError) throw received;
  return received;
}

/** Aborted when the peer has given the call up, its deadline has passed or its connection is gone. */
function cancellationOf(call: EventEmitter): AbortSignal {
  const cancellation = new AbortController();
  call.once('cancelled', () => cancellation.abort());
  return cancellation.signal;
}

function stalled(stallMs: number): ServiceError {
  return new ServiceError(
    'RESOURCE_EXHAUSTED',
    'GRPC_PEER_STALLED',
    `Nothing was read for ${stallMs} ms, so the stream was ended; call again`,
    { retryable: true },
  );
}
