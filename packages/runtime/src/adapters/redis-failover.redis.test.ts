import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { Registry } from 'prom-client';
import { RedisSessionStore } from './redis-session-store.ts';
import { redisSchema } from './redis/redis-config.ts';
import { RedisConnection } from './redis/redis-connection.ts';
import { redisKeys } from './redis/redis-keys.ts';
import { createRedisMetrics } from './redis/redis-metrics.ts';
import { eventually } from '../testing/eventually.ts';
import { accepted, claimOf, liveSession } from '../testing/live-session.ts';
import { silentLogger, useRedis } from '../testing/redis-fixture.ts';
import { startRedisCluster, startRedisSentinel } from '../testing/redis-topologies.ts';

const FAIL_OVER_DEADLINE_MS = 20_000;
/** In which what was on its way arrives, and what was closed is gone. */
const SETTLE_MS = 2500;

describe('Sentinels make the replica the master', () => {
  const { fresh } = useRedis(startRedisSentinel);

  test('live sessions go on, tokens rise, and nobody is refused', async () => {
    const fixture = await fresh();
    const live = await liveSession(fixture);
    // As many as a cluster has: each hears of the fail-over from three Sentinels, at any point of its way to a new master.
    const others = await Promise.all(Array.from({ length: 24 }, () => fixture.connect()));
    await fixture.server.data[0]?.kill();
    let currentK = 200;
    await eventually(
      () => live.ingest.update('news', live.token, { currentK: (currentK += 1) }).catch(() => undefined),
      FAIL_OVER_DEADLINE_MS,
    );
    await eventually(() => live.seen.get(live.sessionId)?.currentK === currentK);
    const { renewals } = live.leasing;
    await eventually(() => live.leasing.renewals > renewals, FAIL_OVER_DEADLINE_MS);
    await eventually(() => others.every(({ isReady }) => isReady), FAIL_OVER_DEADLINE_MS);
    expect(live.publication.refusals + live.leasing.refusals).toBe(0);
    const next = accepted(await live.ingest.claimPublication(claimOf({ encoderId: 'encoder-2' })));
    expect(next.record.sessionId).toBe(live.sessionId);
    expect(next.token).toBeGreaterThan(live.token);
  });
});

describe.each([
  ['Sentinels', startRedisSentinel],
  ['a Cluster', startRedisCluster],
])('a connection through %s', (_, start) => {
  const { fresh } = useRedis(start);

  test('leaves neither connection nor timer behind, whenever it is stopped', async () => {
    const { server } = await fresh();
    const opened = (): number =>
      process.getActiveResourcesInfo().filter((type) => /^(Timeout|TCPSocketWrap)$/.test(type)).length;
    await sleep(SETTLE_MS);
    const before = opened();
    for (let turns = 0; turns < 120; turns += 1) {
      const connection = new RedisConnection(redisSchema.parse(server.connection), {
        ...{ logger: silentLogger, metrics: createRedisMetrics(new Registry()), name: 'short' },
      });
      connection.start();
      connection.subscribe('millrace.test', () => undefined);
      for (let turn = 0; turn < turns; turn += 1) await nextTurn();
      connection.stop();
    }
    await sleep(SETTLE_MS);
    await eventually(() => opened() <= before);
  });
});

describe('a master of a Cluster dies', () => {
  const { fresh } = useRedis(startRedisCluster);

  test('the channels of the others go on, and its own when it is back, empty', async () => {
    const { server, connect, onEnd } = await fresh();
    const redis = await connect();
    const store = new RedisSessionStore({ redis, logger: silentLogger });
    store.start();
    onEnd(() => store.stop());
    const tokens = new Map<string, { readonly token: number; readonly sessionId: string }>();
    for (let n = 0; n < 12; n += 1) {
      const { token, record } = accepted(await store.claimPublication(claimOf({ channel: `c${n}` })));
      tokens.set(record.channel, { token, sessionId: record.sessionId });
    }
    const [first] = server.data;
    const onFirst = new Set<string>();
    await redis.onEachMaster(async (client) => {
      if (client.options.port !== first?.port) return;
      for (const channel of tokens.keys()) {
        if ((await client.exists(redisKeys.sessionOf(channel)).catch(() => 0)) === 1) onFirst.add(channel);
      }
    });
    expect(onFirst.size).toBeGreaterThan(0);
    expect(onFirst.size).toBeLessThan(12);
    await first?.kill();
    const outcomes = await Promise.all(
      [...tokens].map(async ([channel, { token }]) => {
        const outcome = await store
          .renewPublication(channel, token)
          .catch((error: { id?: string }) => error.id);
        return [channel, outcome] as const;
      }),
    );
    for (const [channel, outcome] of outcomes)
      expect(outcome).toBe(onFirst.has(channel) ? 'REDIS_UNAVAILABLE' : true);
    await first?.start();
    for (const [channel, { token }] of tokens) {
      await eventually(
        () => store.renewPublication(channel, token).catch(() => undefined),
        FAIL_OVER_DEADLINE_MS,
      );
    }
    const ids = await Promise.all(
      [...tokens].map(([channel]) => redis.do((client) => client.get(redisKeys.sessionOf(channel)))),
    );
    expect(ids).toEqual([...tokens.values()].map(({ sessionId }) => sessionId));
  });
});
