import { createHash } from 'node:crypto';
import { control, session } from '@millrace/contracts';
import { ServiceError } from '@millrace/runtime';
import type {
  Clock,
  Control,
  EventBus,
  EventEmitter,
  Logger,
  PublishClaimRefusal,
  PublishOutcome,
  SessionStore,
} from '@millrace/runtime';
import { Publication } from './publication.ts';
import type { LossReason } from './publication.ts';
import type { SessionDirectory } from './session-directory.ts';

/** An encoder that wants to publish. */
export interface PublishRequest {
  readonly app: string;
  readonly streamKey: string;
  readonly remoteAddress: string;
  /** What the encoder calls itself. */
  readonly encoder: string;
  readonly closeConnection: (reason: LossReason) => void;
}

/** What the desk is built on. */
export interface PublicationDeskDependencies {
  readonly control: Control;
  readonly store: SessionStore;
  readonly directory: SessionDirectory;
  readonly bus: EventBus;
  readonly clock: Clock;
  readonly events: EventEmitter;
  readonly logger: Logger;
  readonly instance: string;
  readonly apps: readonly string[];
  readonly storeHoldMs: number;
}

const RENEW_INTERVAL_MS = 300;
const TICK_INTERVAL_MS = 100;
const RETRY_INTERVAL_MS = 250;

const REFUSALS: Readonly<Record<PublishClaimRefusal, readonly [id: string, text: string]>> = {
  'in-use': [
    'INGEST_CHANNEL_IN_USE',
    'Another encoder is publishing to this channel, and its policy is to keep it',
  ],
  'taken-over': [
    'INGEST_TAKEN_OVER',
    'Another encoder took this channel over and is delivering: stop it first, or wait 30 seconds',
  ],
  'too-many-takeovers': [
    'INGEST_TAKEOVER_LIMIT',
    'Encoders are fighting over this channel: stop all but one, and try again in a minute',
  ],
};

/**
 * Decides who may publish, and keeps the publications of this ingest: renewed in the store, ended when their key is revoked or
 * another one has taken the channel over.
 */
export class PublicationDesk {
  readonly #dependencies: PublicationDeskDependencies;
  readonly #publications = new Map<string, Publication>();
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
    const { bus, clock } = this.#dependencies;
    this.#renewTimer = setInterval(() => void this.#renewAll(), RENEW_INTERVAL_MS);
    this.#tickTimer = setInterval(() => {
      const nowMs = clock();
      for (const publication of this.#publications.values()) publication.tick(nowMs);
    }, TICK_INTERVAL_MS);
    this.#unsubscribe = bus.subscribe(({ event }) => {
      if (event.type !== 'StreamKeyChanged' || event.data.change === 'created') return;
      for (const publication of this.#publications.values()) {
        if (publication.streamKeyId === event.data.streamKeyId) publication.end('key-revoked');
      }
    });
  }

  /** Ends every publication; encoders reconnect elsewhere. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#renewTimer);
    clearInterval(this.#tickTimer);
    this.#unsubscribe?.();
    const writers = [...this.#publications.values()].map((publication) => publication.live.writer);
    for (const publication of this.#publications.values()) publication.end('shutdown');
    await Promise.all(writers.map((writer) => writer.settled()));
  }

  /** Admits an encoder. Throws `ServiceError` with the text that it shows to people. */
  async publish(request: PublishRequest): Promise<Publication> {
    const { clock, events, logger, directory } = this.#dependencies;
    const grant = await this.#authorize(request);
    const { channel } = grant;
    if (channel === undefined)
      throw new ServiceError('INTERNAL', 'INGEST_GRANT_INCOMPLETE', 'The grant names no channel');
    const outcome = await this.#claim(grant, channel, request);
    if (this.#isStopping) throw shuttingDown();
    const live = directory.open(outcome.record, channel, (token) => {
      const current = this.#publications.get(channel.name);
      if (current?.token === token) current.end('taken-over');
    });
    // The older publication of this process ends before the newer one begins, so that its last units come first; what its end
    // changes in the record is written in the name of the newer one, since the older token counts no more.
    live.writer.token = outcome.token;
    const previous = this.#publications.get(channel.name);
    this.#publications.delete(channel.name);
    previous?.end('taken-over');
    const isTakeover = outcome.replacedToken !== undefined;
    if (outcome.isNewSession) {
      events.emit({ type: 'SessionOpened', data: { channel: channel.name, sessionId: live.session.id } });
    }
    const publication = new Publication({
      live,
      token: outcome.token,
      streamKeyId: grant.streamKeyId,
      isTakeover,
      clock,
      events,
      logger,
      release: (ended) => this.#release(ended),
      closeConnection: request.closeConnection,
    });
    this.#publications.set(channel.name, publication);
    events.emit({
      type: 'PublicationStarted',
      data: {
        channel: channel.name,
        sessionId: live.session.id,
        token: outcome.token,
        remoteAddress: request.remoteAddress,
        encoder: request.encoder,
        isTakeover,
      },
    });
    logger.info(
      { sessionId: live.session.id, channel: channel.name, remoteAddress: request.remoteAddress, isTakeover },
      'Publication started',
    );
    return publication;
  }

  async #authorize(request: PublishRequest): Promise<control.PublishGrant> {
    if (!this.#dependencies.apps.includes(request.app)) throw unknownApp(this.#dependencies.apps);
    const { result } = await this.#dependencies.control.authorizePublish({
      app: request.app,
      streamKeySha256: createHash('sha256').update(request.streamKey, 'utf8').digest(),
      remoteAddress: request.remoteAddress,
    });
    if (result?.$case === 'grant') return result.value;
    switch (result?.value) {
      case control.PublishRefusal.APP:
        throw unknownApp(this.#dependencies.apps);
      case control.PublishRefusal.DISABLED:
        throw new ServiceError('PERMISSION_DENIED', 'INGEST_CHANNEL_DISABLED', 'The channel is disabled');
      default:
        throw new ServiceError(
          'PERMISSION_DENIED',
          'INGEST_STREAM_KEY_REJECTED',
          'The stream key is not valid: copy it again from the channel it belongs to',
        );
    }
  }

  /** Claims the channel; a store that does not answer is given some time. */
  async #claim(
    grant: control.PublishGrant,
    channel: session.Channel,
    request: PublishRequest,
  ): Promise<Extract<PublishOutcome, { kind: 'accepted' }>> {
    const { store, clock, instance, storeHoldMs, logger } = this.#dependencies;
    const deadlineMs = clock() + storeHoldMs;
    for (;;) {
      try {
        const outcome = await store.claimPublication({
          channel: channel.name,
          takeoverPolicy: channel.takeoverPolicy,
          graceSeconds: channel.graceSeconds,
          ingestId: instance,
          role: grant.role,
          encoderId: `${request.remoteAddress} ${request.encoder}`,
        });
        if (outcome.kind === 'accepted') return outcome;
        const [id, text] = REFUSALS[outcome.refusal];
        throw new ServiceError('ALREADY_EXISTS', id, text);
      } catch (error) {
        if (error instanceof ServiceError && !error.retryable) throw error;
        if (clock() >= deadlineMs || this.#isStopping) {
          throw new ServiceError(
            'UNAVAILABLE',
            'INGEST_STORE_UNAVAILABLE',
            'The session store does not answer: live channels go on, new ones have to wait',
            { cause: error },
          );
        }
        logger.warn(
          { err: error, channel: channel.name },
          'The session store does not answer; holding the publication',
        );
        await new Promise((resolve) => setTimeout(resolve, RETRY_INTERVAL_MS));
      }
    }
  }

  #release(publication: Publication): void {
    if (this.#publications.get(publication.channel) !== publication) return;
    this.#publications.delete(publication.channel);
    const { store, logger } = this.#dependencies;
    // What the end of the period changed is written first: after the release the token opens nothing any more.
    publication.live.writer
      .settled()
      .then(() => store.releasePublication(publication.channel, publication.token))
      .catch((error: unknown) => {
        logger.warn(
          { err: error, channel: publication.channel },
          'A publication could not be given up; it expires',
        );
      });
  }

  async #renewAll(): Promise<void> {
    const { store, logger } = this.#dependencies;
    await Promise.all(
      [...this.#publications.values()].map(async (publication) => {
        try {
          if (!(await store.renewPublication(publication.channel, publication.token)))
            publication.end('taken-over');
        } catch (error) {
          logger.warn(
            { err: error, channel: publication.channel },
            'A publication could not be renewed; media goes on',
          );
        }
      }),
    );
  }
}

function unknownApp(apps: readonly string[]): ServiceError {
  const known = apps.map((app) => `/${app}`).join(', ');
  return new ServiceError(
    'NOT_FOUND',
    'INGEST_APP_UNKNOWN',
    `There is no such application here: the server URL must end in ${known}`,
  );
}

function shuttingDown(): ServiceError {
  return new ServiceError('UNAVAILABLE', 'INGEST_SHUTTING_DOWN', 'This server is shutting down: reconnect');
}
