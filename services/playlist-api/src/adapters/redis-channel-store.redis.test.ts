import { describe, expect, test } from '@jest/globals';
import { createLogger } from '@millrace/runtime';
import {
  eventually,
  startRedisCluster,
  startSecuredRedis,
  useRedis,
  useRedisServer,
} from '@millrace/runtime/contract';
import { describeChannelStore } from '../domain/channel-store.contract.ts';
import { channelSettingsSchema } from '../domain/channel.ts';
import type { Ladder } from '../domain/ladder.ts';
import type { StoredStreamKey } from '../domain/stream-key.ts';
import { RedisChannelStore } from './redis-channel-store.ts';

const { fresh } = useRedisServer();
const logger = createLogger({ service: 'test', level: 'error', destination: { write: () => undefined } });

describeChannelStore('Redis', async () => {
  const { connect } = await fresh();
  return new RedisChannelStore({ redis: await connect(), logger });
});

describe.each([
  ['TLS and an ACL user', startSecuredRedis],
  ['a Cluster of three', startRedisCluster],
])('over %s', (name, start) => {
  const { fresh: freshTopology } = useRedis(start);
  describeChannelStore(`Redis over ${name}`, async () => {
    const { connect } = await freshTopology();
    return new RedisChannelStore({ redis: await connect(), logger });
  });
});

const NEWS = {
  name: 'news',
  settings: channelSettingsSchema.parse({}),
  origin: 'api',
  createdAtMs: 1,
  updatedAtMs: 1,
} as const;

const UNKNOWN = 'cd'.repeat(32);
const KEY: StoredStreamKey = {
  ...{ id: 'k1', channel: 'news', sha256: 'ab'.repeat(32), role: 'primary', label: '', origin: 'api' },
  ...{ createdAtMs: 1, expiresAtMs: 5 },
};
const LADDER: Ladder = { name: 'small', rungs: ['source'], updatedAtMs: 1 };

describe('a Redis that is emptied', () => {
  /** Two stores that know what is there; with `isLooking` they look every second, otherwise when they are asked for a key that is not there. */
  async function filled({ isLooking }: { readonly isLooking: boolean }) {
    const { connect, onEnd } = await fresh();
    const [store, other] = [
      new RedisChannelStore({ redis: await connect(), logger }),
      new RedisChannelStore({ redis: await connect(), logger }),
    ];
    await store.createChannel(NEWS);
    await store.putStreamKey(KEY);
    await store.putLadder(LADDER);
    for (const each of isLooking ? [store, other] : []) {
      each.start();
      onEnd(() => each.stop());
    }
    const redis = await connect();
    const look = async (): Promise<void> => {
      for (const each of [store, other]) expect(await each.findStreamKey(UNKNOWN)).toBeUndefined();
    };
    await look();
    return { store, other, look, empty: () => redis.do((client) => client.flushall()) };
  }

  test('knows every stream key at once, and the rest within a second', async () => {
    const { store, other, empty } = await filled({ isLooking: true });
    await empty();
    expect(await store.findStreamKey(KEY.sha256)).toEqual(KEY);
    expect(await store.getChannel('news')).toEqual(NEWS);
    await empty();
    await eventually(async () => (await other.getLadder('small')) !== undefined);
    await eventually(async () => (await other.getChannel('news')) !== undefined);
    expect(await other.listChannels({ limit: 9 })).toEqual([NEWS]);
    expect(await other.listLadders({ limit: 9 })).toEqual([LADDER]);
    await eventually(async () => (await other.listExpiredStreamKeys(9)).length === 1);
    expect(await other.listStreamKeys('news')).toEqual([KEY]);
  });

  test('keeps what was made in it before it was filled again; what was deleted stays deleted', async () => {
    const { store, other, look, empty } = await filled({ isLooking: false });
    await store.createChannel({ ...NEWS, name: 'sport' });
    await store.deleteChannel('news');
    await look();
    await empty();
    const made = { ...NEWS, name: 'made', updatedAtMs: 2 };
    const changed = { ...NEWS, name: 'sport', updatedAtMs: 2 };
    for (const channel of [made, changed]) expect(await other.createChannel(channel)).toBe(true);
    await look();
    expect(await store.listChannels({ limit: 9 })).toEqual([made, changed]);
    expect(await store.listLadders({ limit: 9 })).toEqual([LADDER]);
  });

  test('is filled again each time, also with what another playlist-api made', async () => {
    const { store, other, look, empty } = await filled({ isLooking: false });
    await other.createChannel({ ...NEWS, name: 'a' });
    await look();
    await empty();
    await look();
    await other.createChannel({ ...NEWS, name: 'b' });
    await store.findStreamKey(UNKNOWN);
    await empty();
    await store.findStreamKey(UNKNOWN);
    const names = (await store.listChannels({ limit: 9 })).map(({ name }) => name);
    expect(names).toEqual(['a', 'b', 'news']);
  });

  test('is filled again by one that missed more changes than are listed', async () => {
    const { store, other, empty } = await filled({ isLooking: false });
    for (let change = 0; change < 1200; change += 1)
      await other.putLadder({ ...LADDER, updatedAtMs: change });
    await other.createChannel({ ...NEWS, name: 'a' });
    await store.findStreamKey(UNKNOWN);
    await empty();
    await store.findStreamKey(UNKNOWN);
    expect(await store.getLadder('small')).toEqual({ ...LADDER, updatedAtMs: 1199 });
    expect((await store.listChannels({ limit: 9 })).map(({ name }) => name)).toEqual(['a', 'news']);
  });
});

describe('channels in Redis', () => {
  test('a name whose creation broke off half-way is listed by nobody and can be had', async () => {
    const { connect } = await fresh();
    const redis = await connect();
    await redis.do((client) => client.zadd('channels', 0, 'a', 0, 'news'));
    const store = new RedisChannelStore({ redis, logger });
    expect(await store.listChannels({ limit: 1 })).toEqual([]);
    expect(await store.createChannel(NEWS)).toBe(true);
    expect(await store.listChannels({ limit: 1 })).toEqual([NEWS]);
  });

  test('what somebody else wrote into a record costs that record only', async () => {
    const { connect } = await fresh();
    const redis = await connect();
    const store = new RedisChannelStore({ redis, logger });
    await store.createChannel(NEWS);
    await store.createChannel({ ...NEWS, name: 'sport' });
    await redis.do((client) => client.hset('channel:{news}', 'channel', '{"name":7}'));
    expect((await store.listChannels({ limit: 9 })).map(({ name }) => name)).toEqual(['sport']);
  });
});
