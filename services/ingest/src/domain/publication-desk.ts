import { session } from '@millrace/contracts';
import { ServiceError } from '@millrace/runtime';
import type { Clock, EventBus, EventEmitter, Logger, PublishOutcome, SessionStore } from '@millrace/runtime';
import type { IngestConfig } from '../config.ts';
import { withDeadline } from './deadline.ts';
import { Publication } from './publication.ts';
import type { LossReason } from './publication.ts';
import { PublicationLimits } from './publication-limits.ts';
import type { Admission, PublishAdmission, PublishRequest } from './publish-admission.ts';
import { claimRefused, memoryExhausted, shuttingDown } from './refusals.ts';
import type { SessionDirectory } from './session-directory.ts';

/** What the desk is built on. */
export interface PublicationDeskDependencies {
  readonly admission: PublishAdmission;
  readonly store: SessionStore;
  readonly directory: SessionDirectory;
  readonly bus: EventBus;
  readonly clock: Clock;
  readonly events: EventEmitter;
  readonly logger: Logger;
  /** Recent media of all sessions beyond which nobody new is admitted. */
  readonly maxRingBytes: number;
  /** What one publication may make of its session. */
  readonly limits: Pick<IngestConfig['limits'], 'unitsPerSecond' | 'periodsPerMinute'>;
}

const RENEW_INTERVAL_MS = 300;
/** A renewal that takes longer comes too late for the publication's second. */
const RENEW_DEADLINE_MS = 1000;
const RELEASE_DEADLINE_MS = 1000;
/** As long as a new publication is held for a store that does not answer. */
const REGAIN_DEADLINE_MS = 10_000;
const TICK_INTERVAL_MS = 100;
/** How long what the end of a publication changed may take to be written before the channel is given up all the same. */
const WRITE_DEADLINE_MS = 2000;

/**
 * Keeps the publications of this ingest: admitted, renewed in the store, ended when their key is revoked, their channel is
 * disabled or another one has taken it over.
 */
export class PublicationDesk {
  readonly #dependencies: PublicationDeskDependencies;
  readonly #publications = new Map<string, Publication>();
  readonly #renewing = new Set<Publication>();
  /** Those whose last renewal failed. */
  readonly #unrenewed = new WeakSet<Publication>();
  /** Channels that are being given up. */
  readonly #releasing = new Map<string, Promise<void>>();
  #renewTimer: NodeJS.Timeout | undefined;
  #tickTimer: NodeJS.Timeout | undefined;
  #unsubscribe: (() => void) | undefined;
  #isStopping = false;

  constructor(dependencies: PublicationDeskDependencies) {
    this.#dependencies = dependencies;
  }

  get size(): number {
    return this.#publications.size;
  }

  start(): void {
    const { admission, bus, clock } = this.#dependencies;
    this.#renewTimer = setInterval(() => {
      for (const publication of this.#publications.values()) void this.#renew(publication);
    }, RENEW_INTERVAL_MS);
    this.#tickTimer = setInterval(() => {
      const nowMs = clock();
      for (const publication of this.#publications.values()) this.#tick(publication, nowMs);
    }, TICK_INTERVAL_MS);
    this.#unsubscribe = bus.subscribe(({ event }) => {
      // A key that is rotated stays valid for its overlap, and is revoked when that is over.
      if (event.type === 'StreamKeyChanged' && event.data.change === 'revoked') {
        const { streamKeyId } = event.data;
        admission.revoke(streamKeyId);
        for (const publication of this.#publications.values()) {
          if (publication.streamKeyId === streamKeyId) publication.end('key-revoked');
        }
      } else if (event.type === 'ChannelChanged' && event.data.change === 'disabled') {
        // Its session waits out its grace time, as after any loss: who enables it again meanwhile continues it.
        const { channel } = event.data;
        admission.disable(channel);
        this.#publications.get(channel)?.end('channel-disabled');
      }
    });
  }

  /** Ends every publication and gives the channels up, so that encoders can go on elsewhere. */
  async stop(deadlineMs: number): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#renewTimer);
    clearInterval(this.#tickTimer);
    this.#unsubscribe?.();
    for (const publication of this.#publications.values()) publication.end('shutdown');
    const { promise: expiry, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, deadlineMs);
    await Promise.race([Promise.all(this.#releasing.values()), expiry]);
    clearTimeout(timer);
  }

  /** Admits an encoder. Throws `ServiceError` with the text that it shows to people. */
  async publish(
    request: PublishRequest,
    closeConnection: (reason: LossReason) => void,
  ): Promise<Publication> {
    const { admission, directory, events, maxRingBytes } = this.#dependencies;
    let channel = '';
    try {
      if (this.#isStopping) throw shuttingDown();
      if (directory.ringBytes > maxRingBytes) throw memoryExhausted();
      const admitted = await admission.admit(request, (name) => {
        channel = name;
        // An encoder that publishes again at once must not find its own last publication in its way.
        return this.#releasing.get(name);
      });
      return this.#open(admitted, request, closeConnection);
    } catch (error) {
      const errorId = error instanceof ServiceError ? error.id : 'INGEST_INTERNAL';
      const { remoteAddress } = request;
      events.emit({ type: 'PublicationRefused', data: { channel, errorId, remoteAddress } });
      throw error;
    }
  }

  #open(
    { channel, streamKeyId, claim, outcome }: Admission,
    { remoteAddress, encoder }: PublishRequest,
    closeConnection: (reason: LossReason) => void,
  ): Publication {
    const { directory, events, logger, clock, limits } = this.#dependencies;
    const { token, record } = outcome;
    try {
      if (this.#isStopping) throw shuttingDown();
      const previous = this.#publications.get(channel.name);
      if (previous !== undefined && previous.token > token) throw claimRefused('taken-over');
      const live = directory.open(record, channel, (lost) => this.#lose(channel.name, lost));
      // The older publication ends before the newer one begins, so that its last units come first; what its end changes in the
      // record is written in the name of the newer one, since the older token counts no more.
      live.writer.token = token;
      this.#publications.delete(channel.name);
      previous?.end('taken-over');
      const isTakeover = outcome.replacedToken !== undefined;
      const sessionId = record.sessionId;
      if (outcome.isNewSession) {
        events.emit({ type: 'SessionOpened', data: { channel: channel.name, sessionId } });
      }
      const publication = new Publication({
        live,
        token,
        streamKeyId,
        claim,
        isTakeover,
        limits: new PublicationLimits(limits, clock()),
        clock,
        onEnd: (ended, reason, failure) => {
          if (failure !== undefined)
            logger.error({ err: failure, sessionId }, 'A period did not end as it should');
          this.#end(ended, reason);
          closeConnection(reason);
        },
      });
      this.#publications.set(channel.name, publication);
      events.emit({
        type: 'PublicationStarted',
        data: { channel: channel.name, sessionId, token, remoteAddress, encoder, isTakeover },
      });
      logger.info(
        { sessionId, channel: channel.name, remoteAddress, encoder, isTakeover },
        'Publication started',
      );
      return publication;
    } catch (error) {
      void this.#release(channel.name, token);
      throw error;
    }
  }

  /** Nothing that goes wrong with one session reaches another. */
  #tick(publication: Publication, nowMs: number): void {
    const { session: live } = publication.live;
    try {
      live.tick(nowMs);
    } catch (error) {
      const { logger } = this.#dependencies;
      logger.error({ err: error, sessionId: live.id }, 'A session failed; its publication is ended');
      publication.end('protocol-error');
    }
  }

  #end(publication: Publication, reason: LossReason): void {
    const { events, logger } = this.#dependencies;
    const { channel, token, live } = publication;
    const sessionId = live.session.id;
    if (this.#publications.get(channel) === publication) this.#publications.delete(channel);
    events.emit({ type: 'PublicationLost', data: { channel, sessionId, token, reason } });
    logger.info({ sessionId, reason }, 'Publication ended');
    // What the end of the period changed is written first: after the release the token opens nothing any more.
    const written = live.writer.settled(AbortSignal.timeout(WRITE_DEADLINE_MS));
    const released = Promise.all([written, this.#releasing.get(channel)])
      .then(() => this.#release(channel, token))
      .finally(() => {
        if (this.#releasing.get(channel) === released) this.#releasing.delete(channel);
      });
    this.#releasing.set(channel, released);
  }

  async #release(channel: string, token: number): Promise<void> {
    const { store, logger } = this.#dependencies;
    try {
      await withDeadline(store.releasePublication(channel, token), RELEASE_DEADLINE_MS);
    } catch (error) {
      logger.warn({ err: error, channel }, 'A publication could not be given up; it expires');
    }
  }

  /** Keeps a publication; a store that fails changes nothing for live media. */
  async #renew(publication: Publication): Promise<void> {
    if (this.#renewing.has(publication)) return;
    this.#renewing.add(publication);
    const { store, logger } = this.#dependencies;
    const { channel, token } = publication;
    try {
      const isHeld = await withDeadline(store.renewPublication(channel, token), RENEW_DEADLINE_MS);
      if (!isHeld && publication.token === token) await this.#regain(publication);
      if (this.#unrenewed.delete(publication)) logger.info({ channel }, 'A publication is renewed again');
    } catch (error) {
      if (this.#unrenewed.has(publication)) return;
      this.#unrenewed.add(publication);
      logger.warn(
        { err: error, channel },
        'A publication could not be renewed; media goes on, it is tried again until it succeeds, which is logged',
      );
    } finally {
      this.#renewing.delete(publication);
    }
  }

  #lose(channel: string, token: number): void {
    const publication = this.#publications.get(channel);
    if (publication?.token === token) void this.#renew(publication);
  }

  /**
   * The store says that the publication is not the channel's. A process that was stopped for a second finds that nobody else
   * is: it goes on as if nothing had been. Otherwise another encoder has the channel.
   */
  async #regain(publication: Publication): Promise<void> {
    const { store, logger } = this.#dependencies;
    if (publication.hasEnded) return;
    const takeoverPolicy = session.TakeoverPolicy.REJECT;
    const answer = store.claimPublication({ ...publication.claim, takeoverPolicy });
    const outcome = await withDeadline(answer, REGAIN_DEADLINE_MS).catch((error: unknown) => {
      void this.#forget(publication.channel, answer);
      throw error;
    });
    const sessionId = publication.live.session.id;
    const isSame = outcome.kind === 'accepted' && outcome.record.sessionId === sessionId;
    if (isSame && !publication.hasEnded) {
      publication.renewed(outcome.token);
      logger.warn({ sessionId }, 'The publication had expired in the session store; it is claimed again');
      return;
    }
    if (outcome.kind === 'accepted') await this.#release(publication.channel, outcome.token);
    publication.end('taken-over');
  }
  /** A claim that is granted after nobody waits for it any more is given back. */
  async #forget(channel: string, answer: Promise<PublishOutcome>): Promise<void> {
    const outcome = await answer.catch(() => undefined);
    if (outcome?.kind === 'accepted') await this.#release(channel, outcome.token);
  }
}
