import type { relay } from '@millrace/contracts';
import type { MediaRelay } from '../../ports/media-relay.ts';
import type { GrpcChannel } from './grpc-channel.ts';
import { streamMethod, unaryMethod } from './grpc-service.ts';
import type { GrpcService } from './grpc-service.ts';
import { checkNothing, checkOpenPeriod, checkSubscribe, checkSubscribeAnswer } from './message-checks.ts';
import { OPEN_PERIOD, SUBSCRIBE } from './methods.ts';

/** Ingest waits 10 s for an IDR, and says so itself when none comes. */
const OPEN_PERIOD_DEADLINE_MS = 15_000;

/** Serves a `MediaRelay`. */
export function mediaRelayService(port: MediaRelay): GrpcService {
  return [
    streamMethod(SUBSCRIBE, checkSubscribe, (request, signal) => port.subscribe(request, signal)),
    unaryMethod(OPEN_PERIOD, checkOpenPeriod, (request) => port.openPeriod(request)),
  ];
}

/** The `MediaRelay` of an ingest behind a channel. */
export class GrpcMediaRelay implements MediaRelay {
  readonly #channel: GrpcChannel;

  constructor(channel: GrpcChannel) {
    this.#channel = channel;
  }

  subscribe(request: relay.SubscribeRequest, signal: AbortSignal): AsyncIterable<relay.SubscribeResponse> {
    return this.#channel.stream(SUBSCRIBE, request, { check: checkSubscribeAnswer, signal });
  }

  openPeriod(request: relay.OpenPeriodRequest): Promise<relay.OpenPeriodResponse> {
    return this.#channel.unary(OPEN_PERIOD, request, {
      check: checkNothing,
      deadlineMs: OPEN_PERIOD_DEADLINE_MS,
    });
  }
}
