import type { Readable } from 'node:stream';
import type { Client, ClientUnaryCall } from '@grpc/grpc-js';
import type { Logger } from '../../logger.ts';
import { ServiceError } from '../../service-error.ts';
import { channelSecurity } from './grpc-credentials.ts';
import { fromStatus } from './grpc-errors.ts';
import type { ReceivedStatus } from './grpc-errors.ts';
import { KEEPALIVE_OPTIONS, messageLimitOptions } from './grpc-limits.ts';
import type { MessageLimits } from './grpc-limits.ts';
import { readTlsFiles } from './grpc-tls.ts';
import type { GrpcTlsConfig } from './grpc-tls.ts';
import { loadGrpc } from './load-grpc.ts';
import { readMessages } from './message-reader.ts';
import { marshal, unmarshal } from './method.ts';
import type { Check, Method, Received } from './method.ts';

/** Calls on the live path are made again at once, so the connection under them has to be tried as often. */
const RECONNECT_BACKOFF_MS = { first: 50, longest: 250 };
/** What a server may send ahead of a reader: enough to catch up with a session without waiting for each round trip. */
const FLOW_CONTROL_WINDOW_BYTES = 1024 * 1024;

/** Both directions of a call that is under way. */
export interface DuplexCall<A> {
  /** What the server sends; ends without an error when the signal was aborted. */
  readonly answers: AsyncIterator<A, undefined>;
  /** Sends a message after those before it; who calls bounds what is under way. */
  write(message: Buffer): void;
  /** Says that nothing more is sent; the server may still answer. */
  end(): void;
  /** Gives the call up. */
  cancel(): void;
}

type SurfaceCall = Pick<ClientUnaryCall, 'cancel' | 'once'>;

/** How a channel is opened. */
export interface GrpcChannelOptions {
  /** `host:port`. */
  readonly address: string;
  readonly tls: GrpcTlsConfig;
  readonly limits: MessageLimits;
  readonly logger: Logger;
}

/**
 * The connection to one address: made with the first call, made again when it breaks, closed by its owner.
 *
 * Every failure of a call is a `ServiceError`: the one that the server has thrown, or one that says what became of the
 * connection (`GRPC_UNAVAILABLE` and `GRPC_CONNECTION_LOST`, both retryable, before all others).
 */
export class GrpcChannel {
  readonly #client: Client;
  readonly #calls = new Set<SurfaceCall>();
  #isClosed = false;

  private constructor(client: Client) {
    this.#client = client;
  }

  /** Prepares a channel; nothing is connected yet. Throws what `readTlsFiles` throws. */
  static async open({ address, tls, limits, logger }: GrpcChannelOptions): Promise<GrpcChannel> {
    const files = readTlsFiles(tls, 'client');
    const grpc = await loadGrpc(logger);
    const { serverName } = tls;
    const security = channelSecurity(grpc, files, { address, serverName });
    const client = new grpc.Client(address, security.credentials, {
      ...KEEPALIVE_OPTIONS,
      ...messageLimitOptions(limits),
      ...security.options,
      'grpc.initial_reconnect_backoff_ms': RECONNECT_BACKOFF_MS.first,
      'grpc.max_reconnect_backoff_ms': RECONNECT_BACKOFF_MS.longest,
      'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW_BYTES,
      // One owner, one connection: it is gone when the channel is closed.
      'grpc.use_local_subchannel_pool': 1,
      // Who calls decides what is called again.
      'grpc.enable_retries': 0,
      'grpc.service_config_disable_resolution': 1,
      'grpc.enable_http_proxy': 0,
      'grpc.enable_channelz': 0,
    });
    return new GrpcChannel(client);
  }

  /** Asks once. Throws `GRPC_DEADLINE_EXCEEDED` when there is no answer in time. */
  async unary<Q, A>(
    method: Method<Q, A>,
    request: Q,
    { check, deadlineMs }: { readonly check: Check<A>; readonly deadlineMs: number },
  ): Promise<A> {
    this.#assertOpen();
    const { promise, resolve, reject } = Promise.withResolvers<Received<A>>();
    const call = this.#client.makeUnaryRequest<Buffer, Received<A>>(
      method.path,
      asIs,
      (answer) => unmarshal(method.response, answer, check),
      marshal(method.request, request),
      { deadline: Date.now() + deadlineMs },
      // Without an error there is an answer: the library makes sure of it.
      (error, answer) => (error === null ? resolve(answer as Received<A>) : reject(this.#errorOf(error))),
    );
    this.#track(call);
    const received = await promise;
    if (received instanceof ServiceError) throw received;
    return received;
  }

  /** Asks once and reads a stream of answers; an abort ends it without an error, leaving it cancels the call. */
  async *stream<Q, A>(
    method: Method<Q, A>,
    request: Q,
    { check, signal }: { readonly check: Check<A>; readonly signal: AbortSignal },
  ): AsyncGenerator<A, undefined, undefined> {
    if (signal.aborted) return;
    this.#assertOpen();
    const call = this.#client.makeServerStreamRequest<Buffer, Received<A>>(
      method.path,
      asIs,
      (answer) => unmarshal(method.response, answer, check),
      marshal(method.request, request),
    );
    this.#track(call, signal);
    try {
      yield* this.#answers<A>(call, signal);
    } finally {
      call.cancel();
    }
  }

  /** Opens a call in which both sides send; an abort cancels it. */
  duplex<Q, A>(
    method: Method<Q, A>,
    { check, signal }: { readonly check: Check<A>; readonly signal: AbortSignal },
  ): DuplexCall<A> {
    this.#assertOpen();
    const call = this.#client.makeBidiStreamRequest<Buffer, Received<A>>(method.path, asIs, (answer) =>
      unmarshal(method.response, answer, check),
    );
    this.#track(call, signal);
    return {
      answers: this.#answers<A>(call, signal),
      write: (message) => void call.write(message),
      end: () => void call.end(),
      cancel: () => call.cancel(),
    };
  }

  /** Ends what is under way with `GRPC_CHANNEL_CLOSED`, and the connection. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const call of this.#calls) call.cancel();
    this.#client.close();
  }

  /** The call ends with the channel, and with the signal. */
  #track(call: SurfaceCall, signal?: AbortSignal): void {
    const onAbort = (): void => call.cancel();
    this.#calls.add(call);
    signal?.addEventListener('abort', onAbort);
    call.once('status', () => {
      this.#calls.delete(call);
      signal?.removeEventListener('abort', onAbort);
    });
  }

  /** Reads from now on, whether or not somebody iterates yet. */
  #answers<A>(call: Readable, signal: AbortSignal): AsyncGenerator<A, undefined, undefined> {
    const messages = readMessages<A>(call, signal);
    const answers = async function* (
      toError: (error: unknown) => unknown,
    ): AsyncGenerator<A, undefined, undefined> {
      try {
        yield* messages;
      } catch (error) {
        throw toError(error);
      }
    };
    return answers((error) => this.#errorOf(error));
  }

  #errorOf(error: unknown): unknown {
    if (error instanceof ServiceError) return error;
    return this.#isClosed ? closedChannel() : fromStatus(error as ReceivedStatus);
  }

  #assertOpen(): void {
    if (this.#isClosed) throw closedChannel();
  }
}

const asIs = (bytes: Buffer): Buffer => bytes;

function closedChannel(): ServiceError {
  return new ServiceError(
    'UNAVAILABLE',
    'GRPC_CHANNEL_CLOSED',
    'This side has closed the connection: it is going away itself',
    { retryable: false },
  );
}
