import { control, session } from '@millrace/contracts';
import { ulid } from 'ulid';
import type { Logger } from '../logger.ts';
import type {
  PublishClaim,
  PublishClaimRefusal,
  PublishOutcome,
  SessionChange,
  SessionStore,
} from '../ports/session-store.ts';
import { ServiceError } from '../service-error.ts';
import { redisKeys } from './redis/redis-keys.ts';
import type { RedisConnection } from './redis/redis-connection.ts';
import type { RedisReply, RedisScript } from './redis/redis-script.ts';
import { RequestIds } from './redis/request-ids.ts';
import { SessionIndex } from './redis/session-index.ts';
import type { IndexEntry } from './redis/session-index.ts';
import {
  marshalPackagers,
  marshalPeriod,
  marshalPresentation,
  marshalSessionRecord,
  parseSessionRecord,
} from './redis/session-record-hash.ts';
import { SessionRecordMirror } from './redis/session-record-mirror.ts';
import * as scripts from './redis/session-scripts.ts';
import { SessionSweeper } from './redis/session-sweeper.ts';

/** A session that this process has claimed: it brings the record back when the store has lost it. */
interface WrittenSession {
  readonly claim: PublishClaim;
  readonly sessionId: string;
  readonly token: number;
  readonly requestId: string;
  isHeld: boolean;
}

const { LIVE, GAP, ENDED } = session.SessionState;

/**
 * The live sessions in Redis: each change is one script, each reader is served from a mirror in memory.
 *
 * A store that comes back empty, or falls back to an older state, is filled again by whoever wrote last: within a renewal by
 * the holder of a publication, within a second by the last holder of a session in its gap. Calls fail with `REDIS_UNAVAILABLE`
 * (retryable) within a second while Redis is away; watching goes on from the mirror.
 */
export class RedisSessionStore implements SessionStore {
  readonly #redis: RedisConnection;
  readonly #logger: Logger;
  readonly #index: SessionIndex;
  readonly #mirror: SessionRecordMirror;
  readonly #sweeper: SessionSweeper;
  /** By channel; one for each channel that this process publishes to, until its session has ended or is another's. */
  readonly #written = new Map<string, WrittenSession>();
  readonly #requestIds = new RequestIds();

  constructor(options: { readonly redis: RedisConnection; readonly logger: Logger }) {
    this.#redis = options.redis;
    this.#logger = options.logger;
    this.#index = new SessionIndex(options.redis);
    this.#mirror = new SessionRecordMirror({
      redis: options.redis,
      index: this.#index,
      logger: options.logger,
      onPolled: (index) => this.#lookAfterWritten(index),
    });
    this.#sweeper = new SessionSweeper({
      redis: options.redis,
      index: this.#index,
      mirror: this.#mirror,
      logger: options.logger,
      sweepChannel: (channel) => this.#sweepChannel(channel),
    });
  }

  /** Begins to follow the records; does not wait for Redis. */
  start(): void {
    this.#mirror.start();
  }

  /** Stops following. The connection is its maker's to close. */
  async stop(): Promise<void> {
    await this.#mirror.stop();
  }

  async claimPublication(claim: PublishClaim): Promise<PublishOutcome> {
    return this.#requestIds.run(JSON.stringify(claim), (requestId) => this.#claim(claim, requestId));
  }

  async #claim(claim: PublishClaim, requestId: string): Promise<PublishOutcome> {
    const { channel } = claim;
    let reply = await this.#runClaim(claim, requestId, this.#mirror.openOf(channel));
    const lost = this.#mirror.openOf(channel);
    if (text(reply[0]) === 'missing' && lost !== undefined) {
      await this.#restoreUnheld(lost);
      reply = await this.#runClaim(claim, requestId, undefined);
    }
    const [status, detail, isNew, replaced, idle, isFailover, ...rest] = reply;
    const records = await this.#take(rest);
    if (text(status) === 'refused') return { kind: 'refused', refusal: parseRefusal(text(detail)) };
    const record = records.at(-1);
    const token = Number(text(detail));
    if (record === undefined || !Number.isSafeInteger(token)) throw unexpected(scripts.CLAIM_PUBLICATION);
    this.#written.set(channel, { claim, sessionId: record.sessionId, token, requestId, isHeld: true });
    return {
      kind: 'accepted',
      token,
      record,
      isNewSession: text(isNew) === '1',
      idleMs: Number(text(idle)),
      isFailover: text(isFailover) === '1',
      ...(text(replaced) === '' ? {} : { replacedToken: Number(text(replaced)) }),
    };
  }

  #runClaim(
    claim: PublishClaim,
    requestId: string,
    known: session.SessionRecord | undefined,
  ): Promise<readonly RedisReply[]> {
    const { channel } = claim;
    return this.#run(
      scripts.CLAIM_PUBLICATION,
      [...sessionKeys(channel), redisKeys.takeovers(channel)],
      [
        channel,
        claim.takeoverPolicy === session.TakeoverPolicy.REJECT ? 1 : 0,
        ...[claim.graceSeconds, claim.ingest.id, claim.ingest.address, claim.role, claim.encoderId],
        ...[requestId, ulid().slice(10)],
        claim.inputPreference === session.InputPreference.EQUAL ? 1 : 0,
        known?.sessionId ?? '',
      ],
    );
  }

  async renewPublication(channel: string, token: number): Promise<boolean> {
    return this.#asHolder(scripts.RENEW_PUBLICATION, channel, token, []);
  }

  async releasePublication(channel: string, token: number): Promise<void> {
    await this.#asHolder(scripts.RELEASE_PUBLICATION, channel, token, []);
    const written = this.#written.get(channel);
    if (written?.token === token) written.isHeld = false;
  }

  async update(channel: string, token: number, change: SessionChange): Promise<boolean> {
    const { currentK, presentation, openPeriod, endPeriod, packagers } = change;
    return this.#asHolder(scripts.UPDATE_SESSION, channel, token, [
      currentK ?? '',
      presentation === undefined ? '' : marshalPresentation(presentation),
      ...(openPeriod === undefined
        ? ['', '', '']
        : [openPeriod.ordinal, marshalPeriod(openPeriod), openPeriod.lastK ?? '']),
      ...(endPeriod === undefined ? ['', ''] : [endPeriod.ordinal, endPeriod.lastK]),
      packagers === undefined ? '' : marshalPackagers(packagers),
    ]);
  }

  async place(channel: string, sessionId: string, { epoch, packagers }: session.Placement): Promise<boolean> {
    const [status, ...rest] = await this.#run(scripts.PLACE_SESSION, sessionKeys(channel), [
      ...[channel, sessionId, epoch, marshalPackagers(packagers)],
    ]);
    await this.#take(rest);
    return text(status) === '1';
  }

  async sweep(): Promise<readonly session.SessionRecord[]> {
    return this.#sweeper.sweep();
  }

  watch(signal: AbortSignal): AsyncIterable<session.SessionRecord> {
    return this.#mirror.watch(signal);
  }

  /** Runs a script that is the holder's; what the store has lost is brought back first, once. */
  async #asHolder(
    script: RedisScript,
    channel: string,
    token: number,
    args: readonly (string | number | Uint8Array)[],
  ): Promise<boolean> {
    for (let attempt = 1; ; attempt += 1) {
      const written = this.#written.get(channel);
      const known = written?.token === token ? this.#mirror.get(written.sessionId) : undefined;
      const parts = [channel, token, known?.revision ?? 0, ...args];
      const [status, ...rest] = await this.#run(script, sessionKeys(channel), parts);
      await this.#take(rest);
      if (text(status) === 'held') return true;
      if (text(status) !== 'missing' || written?.token !== token) break;
      if (attempt > 1 || !(await this.#restore(written))) break;
    }
    // Another one holds the channel, or it was given up: nothing is ours to bring back.
    if (this.#written.get(channel)?.token === token) this.#written.delete(channel);
    return false;
  }

  /**
   * Brings back a session that the store has lost, for whoever publishes to it: a live one has its time to renew, as if it had just
   * done so, under a token that every other one rules.
   */
  async #restoreUnheld(record: session.SessionRecord): Promise<void> {
    const { channel, sessionId, revision, state, encoder, ingest } = record;
    const [, ...rest] = await this.#run(scripts.RESTORE_SESSION, sessionKeys(channel), [
      ...[channel, 0, state === LIVE ? 1 : 0, sessionId, revision],
      ...[encoder ?? '', ingest?.id ?? '', control.PublishRole.PRIMARY, ''],
      ...marshalSessionRecord(record),
    ]);
    await this.#take(rest);
  }

  /** Brings a record back that the store does not have. False when another one holds the channel. */
  async #restore({ claim, sessionId, token, requestId, isHeld }: WrittenSession): Promise<boolean> {
    const record = this.#mirror.get(sessionId);
    if (record === undefined || record.state === ENDED) return false;
    const { channel } = claim;
    // Held and live are one thing: what the mirror last heard may have been a gap in between.
    const state = isHeld ? LIVE : GAP;
    const [status, ...rest] = await this.#run(scripts.RESTORE_SESSION, sessionKeys(channel), [
      ...[channel, token, isHeld ? 1 : 0, sessionId, record.revision],
      ...[claim.encoderId, claim.ingest.id, claim.role, requestId],
      ...marshalSessionRecord({ ...record, state }),
    ]);
    await this.#take(rest);
    if (text(status) === 'restored') {
      this.#redis.metrics.restoredRecords.inc();
      this.#logger.warn({ sessionId, channel }, 'Redis had lost a session record; it is restored');
    }
    return text(status) !== 'lost';
  }

  /** Once a second: a session that nobody renews, because it is in its gap, is looked after as well. */
  async #lookAfterWritten(index: ReadonlyMap<string, IndexEntry>): Promise<void> {
    for (const [channel, written] of this.#written) {
      const record = this.#mirror.get(written.sessionId);
      const isOurs = record?.ingest?.id === written.claim.ingest.id;
      if (record === undefined || record.state === ENDED || !isOurs) {
        this.#written.delete(channel);
        continue;
      }
      const entry = index.get(written.sessionId);
      if (entry !== undefined && entry.revision >= record.revision) continue;
      try {
        const isHeld = await this.#restore(written);
        if (!isHeld && this.#written.get(channel) === written) this.#written.delete(channel);
      } catch (error) {
        this.#logger.debug({ err: error, channel }, 'A session record cannot be looked after; trying again');
      }
    }
  }

  async #sweepChannel(channel: string): Promise<readonly session.SessionRecord[]> {
    return this.#take(await this.#run(scripts.SWEEP_SESSION, sessionKeys(channel), [channel]));
  }

  /** Reads records that a script answered, and lists them in the index. */
  async #take(replies: readonly RedisReply[]): Promise<readonly session.SessionRecord[]> {
    const records = replies.flatMap((reply) => parseSessionRecord(reply) ?? []);
    for (const record of records) this.#mirror.put(record);
    await Promise.all(
      records.map((record) =>
        this.#index.note(record).catch((error: unknown) => {
          this.#logger.debug({ err: error }, 'The index of sessions lags; it is put right within a second');
        }),
      ),
    );
    return records;
  }

  async #run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly (string | number | Uint8Array)[],
  ): Promise<readonly RedisReply[]> {
    const reply = await this.#redis.runIdempotent(script, keys, args);
    if (!Array.isArray(reply)) throw unexpected(script);
    return reply as readonly RedisReply[];
  }
}

function sessionKeys(channel: string): string[] {
  return [redisKeys.sessionOf(channel), redisKeys.publication(channel), redisKeys.untold(channel)];
}

function text(reply: RedisReply | undefined): string {
  return Buffer.isBuffer(reply) ? reply.toString() : '';
}

const REFUSALS: readonly PublishClaimRefusal[] = ['standby', 'in-use', 'taken-over', 'too-many-takeovers'];

function parseRefusal(text: string): PublishClaimRefusal {
  const refusal = REFUSALS.find((known) => known === text);
  if (refusal !== undefined) return refusal;
  throw unexpected(scripts.CLAIM_PUBLICATION);
}

function unexpected(script: RedisScript): ServiceError {
  return new ServiceError(
    'INTERNAL',
    'REDIS_REPLY_UNEXPECTED',
    `The script ${script.name} answered what it never does.`,
  );
}
