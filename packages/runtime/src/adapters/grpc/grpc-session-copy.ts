import type { session, twin } from '@millrace/contracts';
import type { Logger } from '../../logger.ts';
import type { SessionCopies, SessionCopy } from '../../ports/session-copy.ts';
import { GrpcChannel } from './grpc-channel.ts';
import { MESSAGE_LIMITS } from './grpc-limits.ts';
import { streamMethod } from './grpc-service.ts';
import type { GrpcService } from './grpc-service.ts';
import type { GrpcTlsConfig } from './grpc-tls.ts';
import { LazyChannel } from './lazy-channel.ts';
import { checkFollow, checkFollowAnswer } from './message-checks.ts';
import { FOLLOW } from './methods.ts';

/** Serves a `SessionCopy`. */
export function sessionCopyService(port: SessionCopy): GrpcService {
  return [streamMethod(FOLLOW, checkFollow, (request, signal) => port.follow(request, signal))];
}

/** The `SessionCopy` of a packager behind a channel. */
export class GrpcSessionCopy implements SessionCopy {
  readonly #channel: LazyChannel | GrpcChannel;

  constructor(channel: LazyChannel | GrpcChannel) {
    this.#channel = channel;
  }

  async *follow(
    request: twin.FollowRequest,
    signal: AbortSignal,
  ): AsyncGenerator<twin.FollowResponse, void, undefined> {
    const channel = this.#channel instanceof LazyChannel ? await this.#channel.get() : this.#channel;
    yield* channel.stream(FOLLOW, request, { check: checkFollowAnswer, signal });
  }
}

/**
 * The copies of packagers by their addresses: one channel for each, opened with the first call and closed by `close`.
 *
 * There are as many addresses as there have been packagers; a connection that nobody uses is given up by the library.
 */
export class GrpcSessionCopies implements SessionCopies {
  readonly #options: { readonly tls: GrpcTlsConfig; readonly logger: Logger };
  readonly #channels = new Map<string, LazyChannel>();

  constructor(options: { readonly tls: GrpcTlsConfig; readonly logger: Logger }) {
    this.#options = options;
  }

  copyAt({ address }: session.Peer): SessionCopy {
    const known = this.#channels.get(address);
    if (known !== undefined) return new GrpcSessionCopy(known);
    const { tls, logger } = this.#options;
    const made = new LazyChannel(() =>
      GrpcChannel.open({ address, tls, limits: MESSAGE_LIMITS.twin, logger }),
    );
    this.#channels.set(address, made);
    return new GrpcSessionCopy(made);
  }

  /** Ends every call and every connection. */
  async close(): Promise<void> {
    await Promise.all([...this.#channels.values()].map((channel) => channel.close()));
  }
}
