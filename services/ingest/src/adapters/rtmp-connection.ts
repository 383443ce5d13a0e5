import type { Socket } from 'node:net';
import { RtmpServerSession } from '@millrace/rtmp';
import type {
  MediaEvent,
  PublishRequestEvent,
  RefusedEvent,
  RtmpPhase,
  RtmpServerEvent,
} from '@millrace/rtmp';
import { ServiceError } from '@millrace/runtime';
import type { Clock, Logger } from '@millrace/runtime';
import type { IngestConfig } from '../config.ts';
import { parseEncoderMetadata } from '../domain/encoder-metadata.ts';
import type { EncoderFeed, LossReason } from '../domain/encoder-feed.ts';
import type { PublicationDesk } from '../domain/publication-desk.ts';
import { RateLimit } from '../domain/rate-limit.ts';
import type { IngestMetrics } from '../metrics.ts';
import { judgeDeadlines } from './connection-deadlines.ts';
import { CONNECTION_REFUSALS, GOODBYES } from './connection-refusals.ts';
import type { ConnectionRefusal } from './connection-refusals.ts';
import { looksLikeProxyHeader } from './proxy-gate.ts';

/** What a connection is built on. */
export interface RtmpConnectionDependencies {
  readonly desk: Pick<PublicationDesk, 'publish'>;
  readonly config: IngestConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: IngestMetrics;
}

/** How long a connection that was said goodbye to may take to read it. */
const LINGER_MS = 1000;
const MAX_ENCODER_CHARACTERS = 128;
const RATE_WINDOW_MS = 5000;

/**
 * One encoder's TCP connection: bytes to the RTMP session and back, media to the publication.
 *
 * Whatever goes wrong ends this connection and nothing else. `check` is called every half second and keeps the deadlines.
 */
export class RtmpConnection {
  readonly remoteAddress: string;
  readonly #socket: Socket;
  readonly #dependencies: RtmpConnectionDependencies;
  readonly #session: RtmpServerSession;
  readonly #rate: RateLimit;
  readonly #openedAtMs: number;
  readonly #gone = new AbortController();
  #publication: EncoderFeed | undefined;
  #encoder = '';
  #lastInputMs: number;
  #lastPingMs: number;
  #receivedBytes = 0;
  /** Nothing has been received yet. */
  #isFirst = true;
  /** When the connection was said goodbye to. */
  #closedAtMs: number | undefined;

  /** `refusal` is told to an encoder that is only let in to hear it. */
  constructor(
    socket: Socket,
    remoteAddress: string,
    dependencies: RtmpConnectionDependencies,
    refusal?: string,
  ) {
    this.#socket = socket;
    this.#dependencies = dependencies;
    this.remoteAddress = remoteAddress;
    const nowMs = dependencies.clock();
    this.#openedAtMs = nowMs;
    this.#lastInputMs = nowMs;
    this.#lastPingMs = nowMs;
    const mostBytes = (dependencies.config.limits.bitsPerSecond / 8) * (RATE_WINDOW_MS / 1000);
    this.#rate = new RateLimit(mostBytes, RATE_WINDOW_MS, nowMs);
    this.#session = new RtmpServerSession(nowMs, {
      inputIsTransferred: true,
      ...(refusal === undefined ? {} : { refuseConnect: () => refusal }),
    });
    socket.on('data', (bytes) => this.#guard(() => this.#receive(bytes)));
    socket.on('error', () => this.#end('closed'));
    socket.on('close', () => {
      this.#end('closed');
      this.#gone.abort();
    });
  }

  get phase(): RtmpPhase {
    return this.#session.phase;
  }

  /** Memory that unfinished messages hold. */
  get heldBytes(): number {
    return this.#session.heldBytes;
  }

  /** Bytes received since the last call. */
  takeReceivedBytes(): number {
    const bytes = this.#receivedBytes;
    this.#receivedBytes = 0;
    return bytes;
  }

  /** Keeps the deadlines. */
  check(nowMs: number): void {
    if (this.#closedAtMs !== undefined) {
      if (nowMs - this.#closedAtMs > LINGER_MS) this.#socket.destroy();
      return;
    }
    const { phase, phaseSinceMs, lastMediaMs } = this.#session;
    const times = {
      phase,
      phaseSinceMs,
      lastMediaMs,
      openedAtMs: this.#openedAtMs,
      lastInputMs: this.#lastInputMs,
      lastPingMs: this.#lastPingMs,
      hasPublication: this.#publication !== undefined,
    };
    const verdict = judgeDeadlines(times, this.#dependencies.config.limits, nowMs);
    if (verdict === 'none') return;
    this.#guard(() => {
      if (verdict === 'media-lost') {
        const id = 'INGEST_MEDIA_LOST';
        this.#dependencies.logger.info({ remoteAddress: this.remoteAddress, id }, GOODBYES['no-media']);
        this.#count(id);
        this.#publication?.end('no-media');
      } else if (verdict === 'ping') {
        this.#lastPingMs = nowMs;
        this.#session.ping(nowMs);
        this.#flush();
      } else this.refuse(verdict.refuse);
    });
  }

  /** Closes the connection for a reason that is said and counted; to a publication it is a limit. */
  refuse(id: ConnectionRefusal): void {
    this.#dependencies.logger.info({ remoteAddress: this.remoteAddress, id }, CONNECTION_REFUSALS[id]);
    this.#count(id);
    this.#say(CONNECTION_REFUSALS[id]);
    this.#end('limit');
  }

  /** Closes the connection; a publication is ended with the reason. */
  close(reason: LossReason): void {
    this.#say(GOODBYES[reason]);
    this.#end(reason);
  }

  /** Ends the connection without waiting for the peer. */
  cut(): void {
    this.#socket.destroy();
  }

  /** Nothing that goes wrong with one connection reaches another. */
  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#fail(error);
    }
  }

  #receive(bytes: Buffer): void {
    if (this.#closedAtMs !== undefined) return;
    const nowMs = this.#dependencies.clock();
    this.#lastInputMs = nowMs;
    if (this.#isFirst && looksLikeProxyHeader(bytes)) {
      this.refuse('INGEST_PROXY_HEADER_UNTRUSTED');
      return;
    }
    this.#isFirst = false;
    this.#receivedBytes += bytes.length;
    if (!this.#rate.take(bytes.length, nowMs)) {
      this.refuse('INGEST_BITRATE_LIMIT');
      return;
    }
    this.#take(this.#session.push(bytes, nowMs));
  }

  #take(events: readonly RtmpServerEvent[]): void {
    for (const event of events) {
      // Media comes thousands of times as often as anything else.
      if (event.kind === 'message') this.#pushMedia(event);
      else this.#takeCommand(event);
      if (this.#closedAtMs !== undefined) return;
    }
    this.#flush();
  }

  #pushMedia({ type, timestampMs, payload }: MediaEvent): void {
    if (type !== 'data') this.#publication?.push(type, timestampMs, payload);
  }

  #takeCommand(event: Exclude<RtmpServerEvent, MediaEvent>): void {
    switch (event.kind) {
      case 'connect':
        this.#encoder = printable(event.connect.flashVer ?? '');
        break;
      case 'publish-request':
        void this.#requestPublish(event);
        break;
      case 'metadata': {
        const metadata = parseEncoderMetadata(event.values);
        if (metadata !== undefined) this.#publication?.setMetadata(metadata);
        break;
      }
      case 'unpublish': {
        const publication = this.#publication;
        this.#publication = undefined;
        publication?.end('closed');
        break;
      }
      case 'refused':
        this.#endRefused(event);
        break;
      case 'error':
        this.#dependencies.logger.info(
          { remoteAddress: this.remoteAddress, kind: event.error.kind, offset: event.error.offset },
          'A connection broke the protocol and was closed',
        );
        this.#count(`INGEST_RTMP_${event.error.kind}`);
        this.#end('protocol-error');
        break;
    }
  }

  /** The session has refused something by itself, and said so. */
  #endRefused({ code }: RefusedEvent): void {
    // Whoever is let in only to be refused was counted at the door.
    if (code === 'NetStream.Play.Failed') this.#count('INGEST_PLAY_UNSUPPORTED');
    else if (code === 'NetStream.Publish.BadName') this.#count('INGEST_STREAM_NAME_INVALID');
    this.#end('protocol-error');
  }

  async #requestPublish({ target }: PublishRequestEvent): Promise<void> {
    const { desk, clock } = this.#dependencies;
    // The session keeps little while it waits; the rest waits in the encoder's own socket.
    this.#socket.pause();
    try {
      const publication = await desk.publish(
        {
          app: target.app,
          streamKey: target.streamKey,
          remoteAddress: this.remoteAddress,
          encoder: this.#encoder,
          signal: this.#gone.signal,
        },
        (reason) => this.#goodbye(reason),
      );
      if (this.#closedAtMs !== undefined) {
        publication.end('closed');
        return;
      }
      this.#publication = publication;
      this.#lastInputMs = clock();
      this.#guard(() => this.#take(this.#session.acceptPublish(this.#lastInputMs)));
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#socket.resume();
    }
  }

  /** A refusal, media that cannot be taken, or a mistake of ours: the encoder hears of it, the connection is over. */
  #fail(error: unknown): void {
    const { logger } = this.#dependencies;
    const known = error instanceof ServiceError ? error : undefined;
    const { remoteAddress } = this;
    const sessionId = this.#publication?.sessionId;
    if (known === undefined) logger.error({ err: error, remoteAddress, sessionId }, 'A connection failed');
    else logger.info({ remoteAddress, sessionId, id: known.id }, known.message);
    this.#count(known?.id ?? 'INGEST_INTERNAL');
    this.#say(known?.message ?? 'Something went wrong on the server');
    this.#end(known?.code === 'RESOURCE_EXHAUSTED' ? 'limit' : 'protocol-error');
  }

  /** The publication has ended: the encoder is told why, and the connection is closed, unless it may publish again. */
  #goodbye(reason: LossReason): void {
    this.#publication = undefined;
    if (reason !== 'closed') this.close(reason);
  }

  #say(text: string): void {
    if (this.#closedAtMs === undefined) this.#session.refuse(text);
  }

  #count(reason: string): void {
    this.#dependencies.metrics.refused.inc({ reason });
  }

  #flush(): void {
    const output = this.#session.takeOutput();
    if (output === undefined || this.#socket.destroyed) return;
    this.#socket.write(output);
    if (this.#closedAtMs !== undefined) return;
    if (this.#socket.writableLength > this.#dependencies.config.limits.outputBytes) {
      this.refuse('INGEST_OUTPUT_LIMIT');
      this.#socket.destroy();
    }
  }

  #end(reason: LossReason): void {
    if (this.#closedAtMs !== undefined) return;
    this.#closedAtMs = this.#dependencies.clock();
    const publication = this.#publication;
    this.#publication = undefined;
    publication?.end(reason);
    this.#flush();
    // What was said last must arrive: closing while the encoder's media lies unread would reset the connection instead.
    this.#socket.end();
    this.#socket.resume();
  }
}

/** What the encoder calls itself goes into events and logs. */
function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '').slice(0, MAX_ENCODER_CHARACTERS);
}
