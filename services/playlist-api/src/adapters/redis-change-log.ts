import type { RedisConnection, RedisReply, RedisScript } from '@millrace/runtime';
import { ulid } from 'ulid';

/** Which store it is, and how many changes there were; then the names of the newest changes. Both in one slot of a Cluster. */
const KEYS = ['{catalogue}', '{catalogue}:changes'];
/** Changes that are listed; who has missed more reads everything. */
const MAX_LISTED = 1000;

/** KEYS log, changes; ARGV id, member. */
const NOTE_CHANGE: RedisScript = {
  name: 'millraceNoteChange',
  keyCount: 2,
  lua: `
redis.call('HSETNX', KEYS[1], 'id', ARGV[1])
redis.call('HINCRBY', KEYS[1], 'changes', 1)
redis.call('RPUSH', KEYS[2], ARGV[2])
redis.call('LTRIM', KEYS[2], -${MAX_LISTED}, -1)
return 1
`,
};

/** KEYS log, changes; ARGV id, id that is known, changes that are known → id, changes, the members that changed since. */
const READ_CHANGES: RedisScript = {
  name: 'millraceReadChanges',
  keyCount: 2,
  lua: `
redis.call('HSETNX', KEYS[1], 'id', ARGV[1])
local id, changes = unpack(redis.call('HMGET', KEYS[1], 'id', 'changes'))
local missed = tonumber(changes or 0) - tonumber(ARGV[3])
if id ~= ARGV[2] or missed < 1 or missed > ${MAX_LISTED} then return { id, changes or '0' } end
return { id, changes, unpack(redis.call('LRANGE', KEYS[2], -missed, -1)) }
`,
};

/** Where a reader is in the log. */
export interface LogPosition {
  /** Of the store: another one than before when the store has been emptied. */
  readonly id: string;
  readonly changes: number;
}

/** Where the log is now. */
export interface LogState {
  readonly position: LogPosition;
  /** What has changed since a position that was known; `undefined` when that cannot be told. */
  readonly changed: readonly string[] | undefined;
}

/** Says which channels and ladders have changed, to whoever keeps copies of them, and shows that a store was emptied. */
export class RedisChangeLog {
  readonly #redis: RedisConnection;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
  }

  /** Notes a change that has been made. */
  async note(member: string): Promise<void> {
    await this.#redis.run(NOTE_CHANGE, KEYS, [ulid(), member]);
  }

  async read(known: LogPosition | undefined): Promise<LogState> {
    const args = [ulid(), known?.id ?? '', known?.changes ?? 0];
    const reply = await this.#redis.run(READ_CHANGES, KEYS, args);
    const [id = '', changes = '', ...members] = Array.isArray(reply) ? reply.map(textOf) : [];
    const position = { id, changes: Number(changes) };
    const missed = id === known?.id ? position.changes - known.changes : undefined;
    return { position, changed: missed === members.length ? [...new Set(members)] : undefined };
  }
}

function textOf(reply: RedisReply): string {
  return Buffer.isBuffer(reply) ? reply.toString('utf8') : '';
}
