import type { Logger, RedisConnection, RedisReply, RedisScript } from '@millrace/runtime';
import type { z } from 'zod';
import type { StoredChannel } from '../domain/channel.ts';
import type { ChannelStore, PageRequest } from '../domain/channel-store.ts';
import type { Ladder } from '../domain/ladder.ts';
import type { StoredStreamKey } from '../domain/stream-key.ts';
import {
  CHANNEL_FIELD,
  CHANNEL_NAMES,
  channelKey,
  EXPIRING_KEYS,
  hashKey,
  LADDER_NAMES,
  ladderKey,
} from './redis-channel-keys.ts';
import { RedisChannelMirror } from './redis-channel-mirror.ts';
import { storedChannelSchema, storedLadderSchema, storedStreamKeySchema } from './stored-content.ts';

/** Stream keys that are looked at in one step of the janitor's. */
const MAX_EXPIRED = 1000;

/** KEYS channel; ARGV field, JSON → 1, or 0 when the channel is not there. */
const REPLACE_CHANNEL: RedisScript = {
  name: 'millraceReplaceChannel',
  keyCount: 1,
  lua: `if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1`,
};

/** KEYS channel; ARGV field → everything that was in it; the channel is gone. */
const DELETE_CHANNEL: RedisScript = {
  name: 'millraceDeleteChannel',
  keyCount: 1,
  lua: `if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return false end
local values = redis.call('HGETALL', KEYS[1])
redis.call('DEL', KEYS[1])
return values`,
};

/** KEYS channel; ARGV field, field of the key, JSON → the key that it replaced or an empty text; nil when the channel is not there. */
const PUT_STREAM_KEY: RedisScript = {
  name: 'millracePutStreamKey',
  keyCount: 1,
  lua: `if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return false end
local old = redis.call('HGET', KEYS[1], ARGV[2])
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
return old or ''`,
};

/**
 * The channel store in Redis: `channel:{name}` is a hash of a channel and its stream keys, changed in one step; `streamkey:<sha256>`
 * says whose key it is, and counts only while the channel's hash says so too.
 *
 * A store that was emptied is filled again within a second, with what it held a second before, and before a stream key is unknown.
 * Calls fail with `REDIS_UNAVAILABLE` (retryable) within a second while Redis is away. What cannot be read is left out and logged.
 */
export class RedisChannelStore implements ChannelStore {
  readonly #redis: RedisConnection;
  readonly #logger: Logger;
  readonly #mirror: RedisChannelMirror;

  constructor(options: { readonly redis: RedisConnection; readonly logger: Logger }) {
    this.#redis = options.redis;
    this.#logger = options.logger;
    this.#mirror = new RedisChannelMirror(options);
  }

  /** Begins to look whether Redis was emptied; does not wait for it. */
  start(): void {
    this.#mirror.start();
  }

  /** Stops looking. The connection is its maker's to close. */
  async stop(): Promise<void> {
    await this.#mirror.stop();
  }

  async getChannel(name: string): Promise<StoredChannel | undefined> {
    const text = await this.#redis.do((client) => client.hget(channelKey(name), CHANNEL_FIELD));
    return this.#parse(storedChannelSchema, text, name);
  }

  listChannels(page: PageRequest): Promise<readonly StoredChannel[]> {
    return this.#list(CHANNEL_NAMES, page, (name) => this.getChannel(name));
  }

  async createChannel(channel: StoredChannel): Promise<boolean> {
    const { name } = channel;
    // The index first: it may name what is not there.
    await this.#redis.do((client) => client.zadd(CHANNEL_NAMES, 0, name));
    const text = JSON.stringify(channel);
    const isMade = await this.#redis.do((client) => client.hsetnx(channelKey(name), CHANNEL_FIELD, text));
    if (isMade === 1) await this.#mirror.noteChannel(name);
    return isMade === 1;
  }

  async replaceChannel(channel: StoredChannel): Promise<boolean> {
    const args = [CHANNEL_FIELD, JSON.stringify(channel)];
    const isThere = (await this.#redis.run(REPLACE_CHANNEL, [channelKey(channel.name)], args)) === 1;
    if (isThere) await this.#mirror.noteChannel(channel.name);
    return isThere;
  }

  async deleteChannel(name: string): Promise<boolean> {
    const values = await this.#redis.run(DELETE_CHANNEL, [channelKey(name)], [CHANNEL_FIELD]);
    if (!Array.isArray(values)) return false;
    await this.#mirror.noteChannel(name);
    const keys = values.flatMap((value, index) =>
      index % 2 === 1 && textOf(values[index - 1] ?? null) !== CHANNEL_FIELD
        ? (this.#parse(storedStreamKeySchema, textOf(value), name) ?? [])
        : [],
    );
    await Promise.all(keys.map(({ sha256 }) => this.#redis.do((client) => client.del(hashKey(sha256)))));
    await Promise.all(keys.map((key) => this.#forgetEnd(ownerOf(key))));
    await this.#redis.do((client) => client.zrem(CHANNEL_NAMES, name));
    return true;
  }

  async findStreamKey(sha256: string): Promise<StoredStreamKey | undefined> {
    const key = await this.#findStreamKey(sha256);
    if (key !== undefined || !(await this.#mirror.look())) return key;
    return this.#findStreamKey(sha256);
  }

  async #findStreamKey(sha256: string): Promise<StoredStreamKey | undefined> {
    const owner = await this.#redis.do((client) => client.get(hashKey(sha256)));
    const [channel, id] = owner?.split(' ') ?? [];
    if (channel === undefined || id === undefined) return undefined;
    const text = await this.#redis.do((client) => client.hget(channelKey(channel), keyField(id)));
    const key = this.#parse(storedStreamKeySchema, text, channel);
    return key?.sha256 === sha256 ? key : undefined;
  }

  async listStreamKeys(channel: string): Promise<readonly StoredStreamKey[]> {
    const fields = await this.#redis.do((client) => client.hgetall(channelKey(channel)));
    return Object.entries(fields)
      .flatMap(([field, text]) =>
        field === CHANNEL_FIELD ? [] : (this.#parse(storedStreamKeySchema, text, channel) ?? []),
      )
      .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }

  async listExpiredStreamKeys(nowMs: number): Promise<readonly StoredStreamKey[]> {
    const owners = await this.#redis.do((client) =>
      client.zrangebyscore(EXPIRING_KEYS, '-inf', nowMs, 'LIMIT', 0, MAX_EXPIRED),
    );
    const keys = await Promise.all(
      owners.map(async (owner) => {
        const [channel = '', id = ''] = owner.split(' ');
        const text = await this.#redis.do((client) => client.hget(channelKey(channel), keyField(id)));
        const key = this.#parse(storedStreamKeySchema, text, channel);
        if (key?.expiresAtMs === undefined) await this.#forgetEnd(owner);
        return key;
      }),
    );
    return keys
      .filter((key) => key !== undefined)
      .filter(({ expiresAtMs = Infinity }) => expiresAtMs <= nowMs);
  }

  async putStreamKey(key: StoredStreamKey): Promise<boolean> {
    const { channel, id, sha256, expiresAtMs } = key;
    const owner = ownerOf(key);
    const isFree = await this.#redis.do((client) => client.set(hashKey(sha256), owner, 'NX'));
    const holder = isFree === null ? await this.findStreamKey(sha256) : undefined;
    if (holder !== undefined && !(holder.id === id && holder.channel === channel)) return false;
    if (expiresAtMs !== undefined)
      await this.#redis.do((client) => client.zadd(EXPIRING_KEYS, expiresAtMs, owner));
    const args = [CHANNEL_FIELD, keyField(id), JSON.stringify(key)];
    const old = await this.#redis.run(PUT_STREAM_KEY, [channelKey(channel)], args);
    if (old === null) {
      await this.#redis.do((client) => client.del(hashKey(sha256)));
      return false;
    }
    // The hash may have been that of a key that is gone.
    await this.#redis.do((client) => client.set(hashKey(sha256), owner));
    await this.#mirror.noteChannel(channel);
    await this.#forgetHash(this.#parse(storedStreamKeySchema, textOf(old), channel)?.sha256, sha256);
    return true;
  }

  async deleteStreamKey(channel: string, id: string): Promise<boolean> {
    const text = await this.#redis.do((client) => client.hget(channelKey(channel), keyField(id)));
    const count = await this.#redis.do((client) => client.hdel(channelKey(channel), keyField(id)));
    await this.#mirror.noteChannel(channel);
    await this.#forgetHash(this.#parse(storedStreamKeySchema, text, channel)?.sha256);
    await this.#forgetEnd(ownerOf({ channel, id }));
    return count === 1;
  }

  async getLadder(name: string): Promise<Ladder | undefined> {
    const text = await this.#redis.do((client) => client.get(ladderKey(name)));
    return this.#parse(storedLadderSchema, text, name);
  }

  listLadders(page: PageRequest): Promise<readonly Ladder[]> {
    return this.#list(LADDER_NAMES, page, (name) => this.getLadder(name));
  }

  async putLadder(ladder: Ladder): Promise<void> {
    await this.#redis.do((client) => client.zadd(LADDER_NAMES, 0, ladder.name));
    await this.#redis.do((client) => client.set(ladderKey(ladder.name), JSON.stringify(ladder)));
    await this.#mirror.noteLadder(ladder.name);
  }

  async deleteLadder(name: string): Promise<boolean> {
    const count = await this.#redis.do((client) => client.del(ladderKey(name)));
    await this.#redis.do((client) => client.zrem(LADDER_NAMES, name));
    await this.#mirror.noteLadder(name);
    return count === 1;
  }

  async #forgetEnd(owner: string): Promise<void> {
    await this.#redis.do((client) => client.zrem(EXPIRING_KEYS, owner));
  }

  async #forgetHash(old: string | undefined, current?: string): Promise<void> {
    if (old === undefined || old === current) return;
    await this.#redis.do((client) => client.del(hashKey(old)));
  }

  /** A page of what is there: names that the index still has are passed over. */
  async #list<T>(
    index: string,
    page: PageRequest,
    get: (name: string) => Promise<T | undefined>,
  ): Promise<readonly T[]> {
    const found: T[] = [];
    let { after } = page;
    while (found.length < page.limit) {
      const from = after === undefined ? '-' : `(${after}`;
      const wanted = page.limit - found.length;
      const names = await this.#redis.do((client) =>
        client.zrangebylex(index, from, '+', 'LIMIT', 0, wanted),
      );
      const values = await Promise.all(names.map(get));
      found.push(...values.filter((value) => value !== undefined));
      if (names.length < wanted) break;
      after = names.at(-1);
    }
    return found;
  }

  #parse<T>(schema: z.ZodType<T>, text: string | null, owner: string): T | undefined {
    if (text === null || text === '') return undefined;
    try {
      return schema.parse(JSON.parse(text));
    } catch (error) {
      this.#logger.error({ err: error, owner }, 'What Redis holds cannot be read; it is left out');
      return undefined;
    }
  }
}

const ownerOf = ({ channel, id }: Pick<StoredStreamKey, 'channel' | 'id'>): string => `${channel} ${id}`;
const keyField = (id: string): string => `key:${id}`;

function textOf(reply: RedisReply): string | null {
  return Buffer.isBuffer(reply) ? reply.toString('utf8') : null;
}
