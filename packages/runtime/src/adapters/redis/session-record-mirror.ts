import { setTimeout as delay } from 'node:timers/promises';
import { session } from '@millrace/contracts';
import { ConflatingQueue } from '../../conflating-queue.ts';
import { jittered } from '../../jitter.ts';
import type { Logger } from '../../logger.ts';
import { SESSIONS_CHANNEL, redisKeys } from './redis-keys.ts';
import type { RedisConnection } from './redis-connection.ts';
import type { IndexEntry, SessionIndex } from './session-index.ts';
import { parseSessionRecord } from './session-record-hash.ts';

/** The net under the hints. */
const POLL_MS = 1000;
const RETRY_MS = 250;
/** Records that are asked for at a time. */
const MAX_READS = 64;
/** Hints that wait to be followed; beyond, the poll finds what they said. */
const MAX_HINTS = 10_000;

/**
 * The session records of one process in memory: served from there, also while Redis is away.
 *
 * Changes come by pub/sub, and by a poll of the index under it. A record that is missing in Redis stays here unless it has
 * ended: whoever writes it brings it back.
 */
export class SessionRecordMirror {
  readonly #redis: RedisConnection;
  readonly #index: Pick<SessionIndex, 'read'>;
  readonly #logger: Logger;
  readonly #onPolled: (index: ReadonlyMap<string, IndexEntry>) => Promise<void>;
  readonly #records = new Map<string, session.SessionRecord>();
  readonly #watchers = new Set<ConflatingQueue<string, session.SessionRecord>>();
  readonly #hints = new Map<string, string>();
  readonly #stopping = new AbortController();
  #following: Promise<void> | undefined;
  #polling: Promise<void> | undefined;
  #pollNow = new AbortController();
  #offReady: (() => void) | undefined;

  constructor(options: {
    readonly redis: RedisConnection;
    readonly index: Pick<SessionIndex, 'read'>;
    readonly logger: Logger;
    /** Called with the index after each poll. */
    readonly onPolled: (index: ReadonlyMap<string, IndexEntry>) => Promise<void>;
  }) {
    this.#redis = options.redis;
    this.#index = options.index;
    this.#logger = options.logger;
    this.#onPolled = options.onPolled;
  }

  start(): void {
    this.#redis.subscribe(SESSIONS_CHANNEL, (hint) => this.#onHint(hint));
    // What changed while Redis was away is asked for as soon as it answers.
    this.#offReady = this.#redis.onReady(() => this.#pollNow.abort());
    this.#polling = this.#poll();
  }

  async stop(): Promise<void> {
    this.#offReady?.();
    this.#stopping.abort();
    this.#pollNow.abort();
    await Promise.all([this.#polling, this.#following]);
  }

  get(sessionId: string): session.SessionRecord | undefined {
    return this.#records.get(sessionId);
  }

  /** The newest session of a channel, unless it has ended. */
  openOf(channel: string): session.SessionRecord | undefined {
    let newest: session.SessionRecord | undefined;
    for (const record of this.#records.values()) {
      if (record.channel === channel && record.sessionId > (newest?.sessionId ?? '')) newest = record;
    }
    return newest?.state === session.SessionState.ENDED ? undefined : newest;
  }

  /** Takes a record that a script has answered; an older one changes nothing. */
  put(record: session.SessionRecord): void {
    const known = this.#records.get(record.sessionId);
    if (known !== undefined && known.revision >= record.revision) return;
    this.#records.set(record.sessionId, record);
    for (const watcher of this.#watchers) watcher.put(record.sessionId, record);
  }

  /** Yields every record, then each change, the newest of each record only. */
  async *watch(signal: AbortSignal): AsyncIterable<session.SessionRecord> {
    const queue = new ConflatingQueue<string, session.SessionRecord>();
    for (const record of this.#records.values()) queue.put(record.sessionId, record);
    this.#watchers.add(queue);
    try {
      yield* queue.take(signal);
    } finally {
      this.#watchers.delete(queue);
    }
  }

  /** Reads a record from Redis, and takes it. */
  async read(channel: string, sessionId: string): Promise<session.SessionRecord | undefined> {
    const key = redisKeys.session(channel, sessionId);
    // As an array of names and values, so that values stay bytes.
    const reply = await this.#redis.do((client) => client.callBuffer('HGETALL', key));
    const record = parseSessionRecord(toFlat(reply));
    if (record !== undefined) this.put(record);
    return record;
  }

  #onHint(hint: string): void {
    const [channel = '', sessionId = '', revision = ''] = hint.split(':');
    const known = this.#records.get(sessionId);
    if (sessionId === '' || (known !== undefined && known.revision >= Number(revision))) return;
    if (this.#hints.size >= MAX_HINTS) return;
    this.#hints.set(sessionId, channel);
    this.#following ??= this.#follow().finally(() => (this.#following = undefined));
  }

  async #follow(): Promise<void> {
    while (this.#hints.size > 0 && !this.#stopping.signal.aborted) {
      const batch = [...this.#hints].slice(0, MAX_READS);
      for (const [sessionId] of batch) this.#hints.delete(sessionId);
      await this.#readAll(batch.map(([sessionId, channel]) => ({ sessionId, channel })));
    }
  }

  async #poll(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#pollNow = new AbortController();
      let waitMs = POLL_MS;
      try {
        await this.#compare(await this.#index.read());
      } catch (error) {
        // The connection says that Redis is away; here it is only tried again.
        this.#logger.debug({ err: error }, 'The index of sessions cannot be read');
        waitMs = jittered(RETRY_MS);
      }
      if (signal.aborted) return;
      await delay(waitMs, undefined, { signal: this.#pollNow.signal }).catch(() => undefined);
    }
  }

  async #compare(index: ReadonlyMap<string, IndexEntry>): Promise<void> {
    const stale = [...index.values()].filter(
      ({ sessionId, revision }) => (this.#records.get(sessionId)?.revision ?? -1) < revision,
    );
    for (let from = 0; from < stale.length; from += MAX_READS) {
      await this.#readAll(stale.slice(from, from + MAX_READS));
    }
    for (const { sessionId, state } of this.#records.values()) {
      if (state === session.SessionState.ENDED && !index.has(sessionId)) this.#records.delete(sessionId);
    }
    await this.#onPolled(index);
  }

  async #readAll(refs: readonly { readonly channel: string; readonly sessionId: string }[]): Promise<void> {
    await Promise.all(
      refs.map(async ({ channel, sessionId }) => {
        try {
          await this.read(channel, sessionId);
        } catch (error) {
          this.#logger.debug(
            { err: error, sessionId },
            'A session record cannot be read; the poll tries again',
          );
        }
      }),
    );
  }
}

/** A map as RESP3 gives it, or an array as RESP2 does. */
function toFlat(reply: unknown): Buffer[] {
  if (Array.isArray(reply)) return reply.flat() as Buffer[];
  if (typeof reply !== 'object' || reply === null) return [];
  return Object.entries(reply as Record<string, Buffer>).flatMap(([name, value]) => [
    Buffer.from(name),
    value,
  ]);
}
