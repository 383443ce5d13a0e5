import type { Socket } from 'node:net';
import { RtmpServerSession } from '@millrace/rtmp';
import type { MediaEvent, PublishRequestEvent, RtmpServerEvent } from '@millrace/rtmp';
import { ServiceError } from '@millrace/runtime';
import type { Clock, Logger } from '@millrace/runtime';
import type { IngestConfig } from '../config.ts';
import type { LossReason, Publication } from '../domain/publication.ts';
import type { PublicationDesk } from '../domain/publication-desk.ts';
import type { IngestMetrics } from '../metrics.ts';

/** What a connection is built on. */
export interface RtmpConnectionDependencies {
  readonly desk: Pick<PublicationDesk, 'publish'>;
  readonly config: IngestConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: IngestMetrics;
}

/** What an encoder is told when its publication ends; OBS shows the text. */
const GOODBYES: Readonly<Record<LossReason, string>> = {
  closed: 'Closed',
  'no-media': 'No media came for too long',
  'taken-over': 'Another encoder has taken this channel over',
  'key-revoked': 'The stream key was revoked',
  'protocol-error': 'The connection broke the protocol',
  'media-error': 'The media could not be understood',
  'store-lost': 'The session store lost this publication',
  shutdown: 'This server is shutting down: reconnect',
};
const PING_INTERVAL_MS = 60_000;

/**
 * One encoder's TCP connection: bytes to the RTMP session and back, media to the publication.
 *
 * Whatever goes wrong ends this connection and nothing else. `check` is called about once a second and keeps the deadlines.
 */
export class RtmpConnection {
  readonly #socket: Socket;
  readonly #dependencies: RtmpConnectionDependencies;
  readonly #session: RtmpServerSession;
  readonly #openedAtMs: number;
  readonly remoteAddress: string;
  #publication: Publication | undefined;
  #encoder = '';
  #lastInputMs: number;
  #lastPingMs: number;
  #isClosed = false;

  constructor(socket: Socket, dependencies: RtmpConnectionDependencies) {
    this.#socket = socket;
    this.#dependencies = dependencies;
    this.remoteAddress = socket.remoteAddress ?? '';
    const nowMs = dependencies.clock();
    this.#openedAtMs = nowMs;
    this.#lastInputMs = nowMs;
    this.#lastPingMs = nowMs;
    this.#session = new RtmpServerSession(nowMs, { inputIsTransferred: true });
    socket.on('data', (bytes) => this.#receive(bytes));
    socket.on('error', () => this.#end('closed'));
    socket.on('close', () => this.#end('closed'));
  }

  /** Keeps the deadlines. */
  check(nowMs: number): void {
    const { limits } = this.#dependencies.config;
    const phaseMs = nowMs - this.#session.phaseSinceMs;
    const deadlineSeconds = {
      handshake: limits.handshakeSeconds,
      connecting: limits.connectSeconds,
      connected: limits.publishSeconds,
      authorizing: undefined,
      publishing: undefined,
      closed: undefined,
    }[this.#session.phase];
    if (deadlineSeconds !== undefined && phaseMs > deadlineSeconds * 1000) {
      this.#refuse(`INGEST_${this.#session.phase.toUpperCase()}_TIMEOUT`);
      return;
    }
    const lastMediaMs = this.#session.lastMediaMs ?? this.#session.phaseSinceMs;
    if (this.#publication !== undefined && nowMs - lastMediaMs > limits.mediaLostSeconds * 1000) {
      this.#count('INGEST_MEDIA_LOST');
      this.#publication.end('no-media');
    } else if (nowMs - (this.#session.lastMediaMs ?? this.#openedAtMs) > limits.idleSeconds * 1000) {
      this.#refuse('INGEST_IDLE_TIMEOUT');
    } else if (nowMs - this.#lastInputMs > limits.connectionTimeoutSeconds * 1000) {
      this.#refuse('INGEST_CONNECTION_TIMEOUT');
    } else if (this.#session.phase === 'publishing' && nowMs - this.#lastPingMs > PING_INTERVAL_MS) {
      this.#lastPingMs = nowMs;
      this.#session.ping(nowMs);
      this.#flush();
    }
  }

  /** Closes the connection; a publication is ended with the reason. */
  close(reason: LossReason): void {
    this.#end(reason);
  }

  #receive(bytes: Buffer): void {
    if (this.#isClosed) return;
    const { clock, metrics } = this.#dependencies;
    const nowMs = clock();
    this.#lastInputMs = nowMs;
    metrics.receivedBytes.inc(bytes.length);
    this.#take(this.#session.push(bytes, nowMs));
  }

  #take(events: readonly RtmpServerEvent[]): void {
    for (const event of events) {
      // Media comes thousands of times as often as anything else.
      if (event.kind === 'message') this.#pushMedia(event);
      else this.#takeCommand(event);
    }
    this.#flush();
  }

  #pushMedia(event: MediaEvent): void {
    if (event.type === 'data' || this.#publication === undefined) return;
    try {
      this.#publication.push(event.type, event.timestampMs, event.payload);
    } catch (error) {
      this.#failMedia(error);
    }
  }

  #takeCommand(event: Exclude<RtmpServerEvent, MediaEvent>): void {
    switch (event.kind) {
      case 'connect':
        this.#encoder = event.connect.flashVer ?? '';
        break;
      case 'publish-request':
        void this.#requestPublish(event);
        break;
      case 'metadata':
        this.#publication?.setMetadata(event.values);
        break;
      case 'unpublish': {
        const publication = this.#publication;
        this.#publication = undefined;
        publication?.end('closed');
        break;
      }
      case 'refused':
        this.#count(`INGEST_RTMP_REFUSED`);
        this.#flush();
        this.#end('protocol-error');
        break;
      case 'error':
        this.#dependencies.logger.info(
          { remoteAddress: this.remoteAddress, kind: event.error.kind, offset: event.error.offset },
          'A connection broke the protocol and was closed',
        );
        this.#count(event.error.kind);
        this.#end('protocol-error');
        break;
    }
  }

  async #requestPublish({ target }: PublishRequestEvent): Promise<void> {
    const { desk, clock } = this.#dependencies;
    // The session keeps little while it waits; the rest waits in the encoder's own socket.
    this.#socket.pause();
    try {
      const publication = await desk.publish({
        app: target.app,
        streamKey: target.streamKey,
        remoteAddress: this.remoteAddress,
        encoder: this.#encoder,
        closeConnection: (reason) => this.#goodbye(reason),
      });
      if (this.#isClosed) {
        publication.end('closed');
        return;
      }
      this.#publication = publication;
      this.#socket.resume();
      this.#take(this.#session.acceptPublish(clock()));
    } catch (error) {
      this.#refusePublish(error);
    }
  }

  #refusePublish(error: unknown): void {
    const { logger, metrics } = this.#dependencies;
    const known = error instanceof ServiceError ? error : undefined;
    const id = known?.id ?? 'INGEST_INTERNAL';
    if (known === undefined)
      logger.error({ err: error, remoteAddress: this.remoteAddress }, 'A publish request failed');
    else logger.info({ remoteAddress: this.remoteAddress, id }, 'A publish request was refused');
    metrics.refused.inc({ reason: id });
    if (this.#isClosed) return;
    this.#session.refuse(known?.message ?? 'Something went wrong on the server');
    this.#flush();
    this.#end('closed');
  }

  /** Media that cannot be understood ends the connection with a status that says why. */
  #failMedia(error: unknown): void {
    const { logger } = this.#dependencies;
    const known = error instanceof ServiceError ? error : undefined;
    if (known === undefined)
      logger.error({ err: error, remoteAddress: this.remoteAddress }, 'A message could not be handled');
    else logger.warn({ remoteAddress: this.remoteAddress, id: known.id }, known.message);
    this.#count(known?.id ?? 'INGEST_INTERNAL');
    this.#session.refuse(known?.message ?? 'Something went wrong on the server');
    this.#flush();
    this.#end('media-error');
  }

  /** The publication has ended: the encoder is told why, and the connection is closed. */
  #goodbye(reason: LossReason): void {
    this.#publication = undefined;
    if (this.#isClosed) return;
    if (reason !== 'closed') this.#session.refuse(GOODBYES[reason]);
    this.#flush();
    if (reason !== 'closed') this.#end(reason);
  }

  #refuse(id: string): void {
    this.#dependencies.logger.info({ remoteAddress: this.remoteAddress, id }, 'A connection was closed');
    this.#count(id);
    this.#end('closed');
  }

  #count(reason: string): void {
    this.#dependencies.metrics.refused.inc({ reason });
  }

  #flush(): void {
    const output = this.#session.takeOutput();
    if (output === undefined || this.#socket.destroyed) return;
    this.#socket.write(output);
    if (this.#socket.writableLength > this.#dependencies.config.limits.outputBytes)
      this.#refuse('INGEST_OUTPUT_LIMIT');
  }

  #end(reason: LossReason): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const publication = this.#publication;
    this.#publication = undefined;
    publication?.end(reason);
    // What was said last is sent; a peer that does not read it cannot hold the socket.
    this.#socket.end(() => this.#socket.destroy());
    this.#socket.setTimeout(1000, () => this.#socket.destroy());
  }
}
