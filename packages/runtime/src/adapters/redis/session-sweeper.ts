import { session } from '@millrace/contracts';
import type { Logger } from '../../logger.ts';
import { SESSION_RULES } from '../session-rules.ts';
import type { RedisConnection } from './redis-connection.ts';
import type { IndexEntry, SessionIndex } from './session-index.ts';
import type { SessionRecordMirror } from './session-record-mirror.ts';

/** Channels that are swept at a time. */
const MAX_SCRIPTS = 64;
/** How often all keys are looked through for sessions that the index lacks. */
const SCAN_INTERVAL_MS = 30_000;
const SESSION_KEY = /^session:\{([^{}]+)\}:(\w+)$/;

/** The janitor's step on Redis: sweeps every channel of the index, and puts the index right. */
export class SessionSweeper {
  readonly #redis: RedisConnection;
  readonly #index: SessionIndex;
  readonly #mirror: SessionRecordMirror;
  readonly #logger: Logger;
  readonly #sweepChannel: (channel: string) => Promise<readonly session.SessionRecord[]>;
  #scannedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: {
    readonly redis: RedisConnection;
    readonly index: SessionIndex;
    readonly mirror: SessionRecordMirror;
    readonly logger: Logger;
    readonly sweepChannel: (channel: string) => Promise<readonly session.SessionRecord[]>;
  }) {
    this.#redis = options.redis;
    this.#index = options.index;
    this.#mirror = options.mirror;
    this.#logger = options.logger;
    this.#sweepChannel = options.sweepChannel;
  }

  /** Returns the records that this sweep changed, and those that claims have ended. Rejects when not one channel could be swept. */
  async sweep(): Promise<readonly session.SessionRecord[]> {
    let index = await this.#index.read();
    // A monotonic clock of this process: only how often is at stake.
    if (performance.now() - this.#scannedAtMs >= SCAN_INTERVAL_MS) {
      this.#scannedAtMs = performance.now();
      await this.#scan(index);
      index = await this.#index.read();
    }
    const open = [...index.values()].filter(({ state }) => state !== session.SessionState.ENDED);
    const channels = [...new Set(open.map(({ channel }) => channel))];
    const changed: session.SessionRecord[] = [];
    let failures = 0;
    await inBatches(channels, async (channel) => {
      try {
        changed.push(...(await this.#sweepChannel(channel)));
      } catch (error) {
        failures += 1;
        this.#logger.warn({ err: error, channel }, 'A channel could not be swept; its session may end late');
        // One that is damaged holds up no other.
        if (failures === channels.length) throw error;
      }
    });
    const [seconds] = await this.#redis.do((client) => client.time());
    const forgottenBeforeMs = Number(seconds) * 1000 - SESSION_RULES.endedRetentionMs;
    await inBatches([...index.values()], (entry) => this.#correct(entry, forgottenBeforeMs));
    return changed;
  }

  /** An entry whose record is forgotten, or was lost in part, is put right. */
  async #correct(entry: IndexEntry, forgottenBeforeMs: number): Promise<void> {
    const known = this.#mirror.get(entry.sessionId);
    const isForgotten = entry.state === session.SessionState.ENDED && entry.stateSinceMs <= forgottenBeforeMs;
    // What the mirror has just heard is right; only what nobody tells of is asked for.
    if (!isForgotten && known !== undefined && known.revision >= entry.revision) return;
    try {
      await this.#index.correct(entry, await this.#mirror.read(entry.channel, entry.sessionId));
    } catch (error) {
      this.#logger.debug(
        { err: error, sessionId: entry.sessionId },
        'An entry of the index could not be put right',
      );
    }
  }

  /** Lists every record that the index does not have. */
  async #scan(index: ReadonlyMap<string, IndexEntry>): Promise<void> {
    const found = await this.#redis.onEachMaster(async (client) => {
      const keys: string[] = [];
      let cursor = '0';
      do {
        const [next, batch] = await client.scan(cursor, 'MATCH', 'session:*', 'COUNT', 1000);
        keys.push(...batch);
        cursor = next;
      } while (cursor !== '0');
      return keys;
    });
    for (const key of found.flat()) {
      const [, channel, sessionId] = SESSION_KEY.exec(key) ?? [];
      if (channel === undefined || sessionId === undefined || index.has(sessionId)) continue;
      try {
        const record = await this.#mirror.read(channel, sessionId);
        if (record !== undefined) await this.#index.note(record);
      } catch (error) {
        // Not ours, or of another version: there is nothing to list.
        this.#logger.warn({ err: error, key }, 'A key of Redis is no session record; it is left alone');
      }
    }
  }
}

async function inBatches<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  for (let from = 0; from < items.length; from += MAX_SCRIPTS) {
    await Promise.all(items.slice(from, from + MAX_SCRIPTS).map(run));
  }
}
