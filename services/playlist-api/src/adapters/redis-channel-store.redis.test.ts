import { describe, expect, test } from '@jest/globals';
import { createLogger } from '@millrace/runtime';
import { useRedisServer } from '@millrace/runtime/contract';
import { describeChannelStore } from '../domain/channel-store.contract.ts';
import { channelSettingsSchema } from '../domain/channel.ts';
import { RedisChannelStore } from './redis-channel-store.ts';

const { fresh } = useRedisServer();
const logger = createLogger({ service: 'test', level: 'error', destination: { write: () => undefined } });

describeChannelStore('Redis', async () => {
  const { connect } = await fresh();
  return new RedisChannelStore({ redis: await connect(), logger });
});

const NEWS = {
  name: 'news',
  settings: channelSettingsSchema.parse({}),
  origin: 'api',
  createdAtMs: 1,
  updatedAtMs: 1,
} as const;

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
