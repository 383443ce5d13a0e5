import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { ClaimMachine, claimSteps } from '../testing/claim-machine.ts';
import type { ClaimWorld } from '../testing/claim-machine.ts';
import { LossyProxy } from '../testing/lossy-proxy.ts';
import { connectTo, silentLogger, useRedisServer } from '../testing/redis-fixture.ts';
import type { RedisConnection } from './redis/redis-connection.ts';
import { RedisLeaseStore } from './redis-lease-store.ts';
import { RedisSessionStore } from './redis-session-store.ts';

const RUNS = { numRuns: Number(process.env['MILLRACE_REDIS_RUNS'] ?? 150), seed: 1 };
const DEADLINE_MS = 120_000;
const { fresh } = useRedisServer({ clock: 'frozen' });

test(
  'Redis does what the embedded stores do, step by step; after crashes, lost answers and a flush only the newest counts',
  async () => {
    const { server, onEnd } = await fresh();
    const proxies = [await LossyProxy.start(server.port), await LossyProxy.start(server.port)];
    const connections: RedisConnection[] = [];
    onEnd(async () => {
      for (const connection of connections) connection.stop();
      await Promise.all(proxies.map((proxy) => proxy.stop()));
    });
    for (const { port } of proxies) connections.push(await connectTo({ url: `redis://127.0.0.1:${port}` }));
    const createStores = (index: number) => {
      const redis = connections[index];
      if (redis === undefined) throw new Error(`no process ${index}`);
      return {
        redis,
        sessions: new RedisSessionStore({ redis, logger: silentLogger }),
        leases: new RedisLeaseStore({ redis }),
      };
    };
    let lostAnswers = 0;
    await fc.assert(
      fc.asyncProperty(claimSteps(60), async (steps) => {
        const stores = [createStores(0), createStores(1)];
        const storesOf = (index: number) => stores[index] ?? createStores(index);
        const flush = async (): Promise<void> => {
          const other = proxies[0]?.isWaiting === true ? 1 : 0;
          await storesOf(other).redis.do((client) => client.flushall());
        };
        await flush();
        const world: ClaimWorld = {
          now: () => server.now(),
          advance: (ms) => server.advance(ms),
          sessions: (index) => storesOf(index).sessions,
          leases: (index) => storesOf(index).leases,
          crash: (index) => void (stores[index] = createStores(index)),
          loseAnswer: async (index) => {
            // One at a time, and of a connection that is up.
            await storesOf(index).redis.ready(AbortSignal.timeout(5000));
            proxies[index]?.loseAnswer();
            lostAnswers += 1;
          },
          flush,
        };
        const machine = new ClaimMachine(world);
        for (const step of steps) {
          await machine.take(step);
          for (const { redis } of stores) await redis.ready(AbortSignal.timeout(5000));
        }
      }),
      RUNS,
    );
    expect(lostAnswers).toBeGreaterThan(0);
  },
  DEADLINE_MS,
);
