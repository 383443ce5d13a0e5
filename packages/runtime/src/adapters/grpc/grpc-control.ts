import type { control } from '@millrace/contracts';
import type { Control } from '../../ports/control.ts';
import type { GrpcChannel } from './grpc-channel.ts';
import { unaryMethod } from './grpc-service.ts';
import type { GrpcService } from './grpc-service.ts';
import { checkAuthorizePublish, checkAuthorizePublishAnswer } from './message-checks.ts';
import { AUTHORIZE_PUBLISH } from './methods.ts';

/** An encoder waits for the answer. */
const AUTHORIZE_DEADLINE_MS = 5000;

/** Serves a `Control`. */
export function controlService(port: Control): GrpcService {
  return [unaryMethod(AUTHORIZE_PUBLISH, checkAuthorizePublish, (request) => port.authorizePublish(request))];
}

/** The `Control` of a playlist-api behind a channel. */
export class GrpcControl implements Control {
  readonly #channel: GrpcChannel;

  constructor(channel: GrpcChannel) {
    this.#channel = channel;
  }

  authorizePublish(request: control.AuthorizePublishRequest): Promise<control.AuthorizePublishResponse> {
    return this.#channel.unary(AUTHORIZE_PUBLISH, request, {
      check: checkAuthorizePublishAnswer,
      deadlineMs: AUTHORIZE_DEADLINE_MS,
    });
  }
}
