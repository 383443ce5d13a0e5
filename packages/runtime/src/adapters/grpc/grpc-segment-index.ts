import type { segmentIndex } from '@millrace/contracts';
import type { SegmentIndex } from '../../ports/segment-index.ts';
import type { GrpcChannel } from './grpc-channel.ts';
import { streamMethod } from './grpc-service.ts';
import type { GrpcService } from './grpc-service.ts';
import { checkNothing, checkWatch } from './message-checks.ts';
import { WATCH } from './methods.ts';

/** Serves a `SegmentIndex`. */
export function segmentIndexService(port: SegmentIndex): GrpcService {
  return [streamMethod(WATCH, checkWatch, (request, signal) => port.watch(request, signal))];
}

/** The `SegmentIndex` of a packager behind a channel. */
export class GrpcSegmentIndex implements SegmentIndex {
  readonly #channel: GrpcChannel;

  constructor(channel: GrpcChannel) {
    this.#channel = channel;
  }

  watch(request: segmentIndex.WatchRequest, signal: AbortSignal): AsyncIterable<segmentIndex.WatchResponse> {
    return this.#channel.stream(WATCH, request, { check: checkNothing, signal });
  }
}
