import { describe, test } from '@jest/globals';
import { describeInstanceDirectory } from '../ports/instance-directory.contract.ts';
import { describeLeaseStore, describeUnclaimedSessions } from '../ports/lease-store.contract.ts';
import { describeSessionStore } from '../ports/session-store.contract.ts';
import { eventually } from '../testing/eventually.ts';
import { accepted, claimOf } from '../testing/live-session.ts';
import { silentLogger, useRedis } from '../testing/redis-fixture.ts';
import { startRedisCluster, startRedisSentinel, startSecuredRedis } from '../testing/redis-topologies.ts';
import { RedisInstanceDirectory } from './redis-instance-directory.ts';
import { RedisLeaseStore } from './redis-lease-store.ts';
import { RedisSessionStore } from './redis-session-store.ts';
import { SessionRecordMirror } from './redis/session-record-mirror.ts';

describe.each([
  ['TLS with client certificates and an ACL user', startSecuredRedis],
  ['a Cluster of three', startRedisCluster],
  ['Sentinels', startRedisSentinel],
])('over %s', (name, start) => {
  const { fresh } = useRedis(start);

  async function createLeaseStore() {
    const { server, connect } = await fresh();
    const store = new RedisLeaseStore({ redis: await connect() });
    return { store, advance: (ms: number) => server.advance(ms) };
  }

  test('a change is heard of by its hint alone', async () => {
    const { connect, onEnd } = await fresh();
    const store = new RedisSessionStore({ redis: await connect(), logger: silentLogger });
    const redis = await connect();
    const index = { read: async () => new Map<string, never>() };
    const mirror = new SessionRecordMirror({
      redis,
      // A poll of this one finds nothing.
      index,
      logger: silentLogger,
      onPolled: async () => {},
    });
    mirror.start();
    onEnd(() => mirror.stop());
    // Nobody says when a subscription has begun: the change is made again until it is heard of.
    const { token, record } = accepted(await store.claimPublication(claimOf()));
    let currentK = 0;
    await eventually(async () => {
      await store.update('news', token, { currentK: (currentK += 1) });
      return mirror.get(record.sessionId) !== undefined;
    });
    await store.update('news', token, { currentK: 1000 });
    await eventually(() => mirror.get(record.sessionId)?.currentK === 1000);
  });

  describeSessionStore(`Redis over ${name}`, async () => {
    const { server, connect, onEnd } = await fresh();
    const store = new RedisSessionStore({ redis: await connect(), logger: silentLogger });
    store.start();
    onEnd(() => store.stop());
    return { store, now: () => server.now(), advance: (ms) => server.advance(ms) };
  });
  describeLeaseStore(`Redis over ${name}`, createLeaseStore);
  describeUnclaimedSessions(`Redis over ${name}`, createLeaseStore);
  describeInstanceDirectory(`Redis over ${name}`, async () => {
    const { server, connect } = await fresh();
    const directory = new RedisInstanceDirectory({ redis: await connect(), logger: silentLogger });
    return { directory, advance: (ms) => server.advance(ms) };
  });
});
