import type { control } from '@millrace/contracts';
import type { OutboundGuard } from '../../outbound-guard.ts';
import type { Control } from '../../ports/control.ts';
import type { GrpcChannel } from './grpc-channel.ts';
import { unaryMethod } from './grpc-service.ts';
import type { GrpcService } from './grpc-service.ts';
import { checkAuthorizePublish, checkAuthorizePublishAnswer } from './message-checks.ts';
import { AUTHORIZE_PUBLISH } from './methods.ts';

/** An encoder waits for the answer; with the tries of a guard it is three times as long. */
const AUTHORIZE_DEADLINE_MS = 1500;

/** Serves a `Control`. */
export function controlService(port: Control): GrpcService {
  return [unaryMethod(AUTHORIZE_PUBLISH, checkAuthorizePublish, (request) => port.authorizePublish(request))];
}

/** The `Control` of a playlist-api behind a channel. */
export class GrpcControl implements Control {
  readonly #channel: GrpcChannel;
  readonly #guard: OutboundGuard;

  constructor(channel: GrpcChannel, guard: OutboundGuard) {
    this.#channel = channel;
    this.#guard = guard;
  }

  authorizePublish(request: control.AuthorizePublishRequest): Promise<control.AuthorizePublishResponse> {
    return this.#guard(() =>
      this.#channel.unary(AUTHORIZE_PUBLISH, request, {
        check: checkAuthorizePublishAnswer,
        deadlineMs: AUTHORIZE_DEADLINE_MS,
      }),
    );
  }
}
