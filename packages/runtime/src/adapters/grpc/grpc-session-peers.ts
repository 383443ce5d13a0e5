import type { relay, segmentIndex, session, sink } from '@millrace/contracts';
import type { Logger } from '../../logger.ts';
import type { MediaRelay } from '../../ports/media-relay.ts';
import type { RenditionSink, SinkStream } from '../../ports/rendition-sink.ts';
import type { SegmentIndex } from '../../ports/segment-index.ts';
import type { PlacedPackager, SessionPeers } from '../../ports/session-peers.ts';
import { ServiceError } from '../../service-error.ts';
import { GrpcChannel } from './grpc-channel.ts';
import { MESSAGE_LIMITS } from './grpc-limits.ts';
import type { MessageLimits } from './grpc-limits.ts';
import { GrpcMediaRelay } from './grpc-media-relay.ts';
import type { GrpcMetrics } from './grpc-metrics.ts';
import { GrpcRenditionSink } from './grpc-rendition-sink.ts';
import { GrpcSegmentIndex } from './grpc-segment-index.ts';
import type { GrpcTlsConfig } from './grpc-tls.ts';
import { LazyChannel } from './lazy-channel.ts';

/** What the peers are reached with. */
export interface GrpcSessionPeersOptions {
  readonly tls: GrpcTlsConfig;
  readonly logger: Logger;
  readonly metrics: GrpcMetrics;
}

/**
 * The peers that records name by their addresses: one channel for each, opened with the first call and closed by `close`.
 *
 * An address that records name no longer keeps its channel, which costs nothing: a connection that nobody uses is given up, and
 * there are as many addresses as there have been ingests and packagers.
 */
export class GrpcSessionPeers implements SessionPeers {
  readonly #options: GrpcSessionPeersOptions;
  readonly #relays = new Map<string, MediaRelay>();
  readonly #packagers = new Map<string, PlacedPackager>();
  readonly #channels: LazyChannel[] = [];

  constructor(options: GrpcSessionPeersOptions) {
    this.#options = options;
  }

  relayOf({ sessionId, ingest }: session.SessionRecord): MediaRelay {
    if (ingest === undefined) return new UnknownRelay(sessionId);
    const known = this.#relays.get(ingest.address);
    if (known !== undefined) return known;
    const made = new LazyRelay(this.#channelTo(ingest.address, MESSAGE_LIMITS.relay));
    this.#relays.set(ingest.address, made);
    return made;
  }

  packagersOf({ placement }: session.SessionRecord): readonly PlacedPackager[] {
    return (placement?.packagers ?? []).map((peer) => this.#packagerAt(peer));
  }

  /** Ends every call and every connection. */
  async close(): Promise<void> {
    await Promise.all(this.#channels.map((channel) => channel.close()));
  }

  #packagerAt({ id, address }: session.Peer): PlacedPackager {
    const key = `${id} ${address}`;
    const known = this.#packagers.get(key);
    if (known !== undefined) return known;
    const channel = this.#channelTo(address, MESSAGE_LIMITS.packager);
    const made = {
      id,
      sink: new LazySink(channel, this.#options.metrics),
      index: new LazyIndex(channel),
    };
    this.#packagers.set(key, made);
    return made;
  }

  #channelTo(address: string, limits: MessageLimits): LazyChannel {
    const { tls, logger } = this.#options;
    const channel = new LazyChannel(() => GrpcChannel.open({ address, tls, limits, logger }));
    this.#channels.push(channel);
    return channel;
  }
}

class LazyRelay implements MediaRelay {
  readonly #channel: LazyChannel;

  constructor(channel: LazyChannel) {
    this.#channel = channel;
  }

  async *subscribe(
    request: relay.SubscribeRequest,
    signal: AbortSignal,
  ): AsyncGenerator<relay.SubscribeResponse, void, undefined> {
    yield* new GrpcMediaRelay(await this.#channel.get()).subscribe(request, signal);
  }

  async openPeriod(request: relay.OpenPeriodRequest): Promise<relay.OpenPeriodResponse> {
    return new GrpcMediaRelay(await this.#channel.get()).openPeriod(request);
  }
}

class LazySink implements RenditionSink {
  readonly #channel: LazyChannel;
  readonly #metrics: GrpcMetrics;

  constructor(channel: LazyChannel, metrics: GrpcMetrics) {
    this.#channel = channel;
    this.#metrics = metrics;
  }

  async open(hello: sink.Hello, signal: AbortSignal): Promise<SinkStream> {
    const channel = await this.#channel.get();
    return new GrpcRenditionSink(channel, { metrics: this.#metrics }).open(hello, signal);
  }
}

class LazyIndex implements SegmentIndex {
  readonly #channel: LazyChannel;

  constructor(channel: LazyChannel) {
    this.#channel = channel;
  }

  async *watch(
    request: segmentIndex.WatchRequest,
    signal: AbortSignal,
  ): AsyncGenerator<segmentIndex.WatchResponse, void, undefined> {
    yield* new GrpcSegmentIndex(await this.#channel.get()).watch(request, signal);
  }
}

/** Of a record that names no ingest yet. */
class UnknownRelay implements MediaRelay {
  readonly #sessionId: string;

  constructor(sessionId: string) {
    this.#sessionId = sessionId;
  }

  // eslint-disable-next-line require-yield -- who is not known yields nothing
  async *subscribe(): AsyncGenerator<relay.SubscribeResponse, void, undefined> {
    throw this.#error();
  }

  async openPeriod(): Promise<relay.OpenPeriodResponse> {
    throw this.#error();
  }

  #error(): ServiceError {
    return new ServiceError(
      'UNAVAILABLE',
      'SESSION_INGEST_UNKNOWN',
      `The record of session ${this.#sessionId} names no ingest yet; call again`,
      { retryable: true },
    );
  }
}
