import { session } from '@millrace/contracts';
import { LIVE_INDEX } from './redis-keys.ts';
import type { RedisConnection } from './redis-connection.ts';
import type { RedisScript } from './redis-script.ts';

/** What the index says of a session; the record is what counts. */
export interface IndexEntry {
  readonly channel: string;
  readonly sessionId: string;
  readonly revision: number;
  readonly state: session.SessionState;
  readonly stateSinceMs: number;
  /** The entry as it is stored, to replace it and no other. */
  readonly text: string;
}

/** id, value, revision → puts the entry unless there is a newer one. */
const NOTE: RedisScript = {
  name: 'millraceNoteSession',
  keyCount: 1,
  lua: `
local there = redis.call('HGET', KEYS[1], ARGV[1])
if there and tonumber(string.match(there, '^[^:]*:(%d+)') or 0) >= tonumber(ARGV[3]) then return 0 end
return redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
`,
};

/** id, value, value before → replaces the entry, or takes it off when the value is empty, unless it has changed. */
const CORRECT: RedisScript = {
  name: 'millraceCorrectSession',
  keyCount: 1,
  lua: `
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[3] then return 0 end
if ARGV[2] == '' then return redis.call('HDEL', KEYS[1], ARGV[1]) end
return redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
`,
};

/**
 * The index `live`: every session that is not forgotten, with its revision.
 *
 * It lies outside the channels' hash tags, so it is never part of an atomic step: it may lag, and is put right by writers and
 * by the janitor.
 */
export class SessionIndex {
  readonly #redis: RedisConnection;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
  }

  /** Reads all of it; entries that cannot be read are left out. */
  async read(): Promise<ReadonlyMap<string, IndexEntry>> {
    const hash = await this.#redis.do((client) => client.hgetall(LIVE_INDEX));
    const entries = new Map<string, IndexEntry>();
    for (const [sessionId, text] of Object.entries(hash)) {
      const entry = parseEntry(sessionId, text);
      if (entry !== undefined) entries.set(sessionId, entry);
    }
    return entries;
  }

  /** Lists a record as it is now. */
  async note(record: session.SessionRecord): Promise<void> {
    await this.#redis.run(NOTE, [LIVE_INDEX], [record.sessionId, marshalEntry(record), record.revision]);
  }

  /** Replaces an entry by what the record says, or takes it off when there is no record. */
  async correct(entry: IndexEntry, record: session.SessionRecord | undefined): Promise<void> {
    const text = record === undefined ? '' : marshalEntry(record);
    if (text !== entry.text)
      await this.#redis.run(CORRECT, [LIVE_INDEX], [entry.sessionId, text, entry.text]);
  }
}

function marshalEntry({ channel, revision, state, stateSinceMs }: session.SessionRecord): string {
  return [channel, revision, state, stateSinceMs].join(':');
}

function parseEntry(sessionId: string, text: string): IndexEntry | undefined {
  const [channel = '', ...numbers] = text.split(':');
  const [revision = Number.NaN, state = Number.NaN, stateSinceMs = Number.NaN] = numbers.map(Number);
  const known = Object.values(session.SessionState).find((value) => value === state);
  if (channel === '' || known === undefined || !Number.isSafeInteger(revision)) return undefined;
  return { channel, sessionId, revision, state: known, stateSinceMs, text };
}
