import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { createLogger } from '@millrace/runtime';
import type { Lease, LeaseState, LeaseStore } from '@millrace/runtime';
import { Registry } from 'prom-client';
import { createWorkerMetrics } from '../metrics.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import type { LeaseKeeperDependencies } from './lease-keeper.ts';
import { Outage } from './outage.ts';

const LEASE: Lease = {
  channel: 'news',
  sessionId: 's',
  workerId: 'worker-1',
  from: { k: 0, part: 0 },
  token: 7,
};
const metrics = createWorkerMetrics(new Registry());
const logger = createLogger({ service: 'transcode-worker', level: 'error' });
const HELD = { kind: 'held' } as const;
const NO_HANDOVER = {
  callSuccessor: async () => false,
  announce: async () => undefined,
  commit: async () => false,
  standBy: async () => 'lost' as const,
  takeOver: async () => undefined,
  standDown: async () => undefined,
};
const never = (): Promise<never> => new Promise(() => {});

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
});
afterEach(() => {
  jest.useRealTimers();
});

function keeperOf(store: Partial<LeaseStore>): LeaseKeeperDependencies {
  const leases = {
    ...NO_HANDOVER,
    acquire: async () => LEASE,
    renew: async () => HELD,
    release: async () => true,
    ...store,
  };
  return { leases, logger, outage: new Outage({ peer: 'leases', metrics, logger, clock: Date.now }) };
}

async function acquire(dependencies: LeaseKeeperDependencies): Promise<LeaseKeeper> {
  const keeper = await LeaseKeeper.acquire(LEASE, dependencies);
  if (keeper === undefined) throw new Error('not acquired');
  return keeper;
}

test('a store that fails or does not answer is asked again, and nothing is lost by that', async () => {
  const answers = [() => Promise.reject(new Error('away')), never, async () => HELD];
  const renew = jest.fn((): Promise<LeaseState> => (answers.shift() ?? (async () => HELD))());
  const released: number[] = [];
  const keeper = await acquire(keeperOf({ renew, release: async ({ token }) => released.push(token) > 0 }));
  await jest.advanceTimersByTimeAsync(500 + 25 + 1000 + 50);
  expect(renew).toHaveBeenCalledTimes(3);
  expect(keeper.lost.aborted).toBe(false);
  expect(await keeper.release()).toBe(true);
  expect(released).toEqual([LEASE.token]);
  await jest.advanceTimersByTimeAsync(5000);
  expect(renew).toHaveBeenCalledTimes(3);
});

test('it is lost when the store says so, is asked for no more, and is not given up', async () => {
  const renew = jest.fn(async (): Promise<LeaseState> => ({ kind: 'lost' }));
  const release = jest.fn(async () => true);
  const keeper = await acquire(keeperOf({ renew, release }));
  await jest.advanceTimersByTimeAsync(5000);
  expect(keeper.lost.aborted).toBe(true);
  expect(await keeper.release()).toBe(false);
  expect(renew).toHaveBeenCalledTimes(1);
  expect(release).not.toHaveBeenCalled();
});

test('a successor that has it is told of once, with its first position; the lease is not given up', async () => {
  const from = { k: 12, part: 0 };
  const renew = jest.fn(async (): Promise<LeaseState> => ({ kind: 'handed-over', from }));
  const release = jest.fn(async () => true);
  const keeper = await acquire(keeperOf({ renew, release }));
  await jest.advanceTimersByTimeAsync(5000);
  expect(await keeper.handedOver).toEqual(from);
  expect(keeper.lost.aborted).toBe(false);
  expect(await keeper.release()).toBe(false);
  expect(renew).toHaveBeenCalledTimes(1);
  expect(release).not.toHaveBeenCalled();
});

test('giving it up waits for no store, neither for a renewal that is under way', async () => {
  const keeper = await acquire(keeperOf({ renew: never, release: never }));
  await jest.advanceTimersByTimeAsync(600);
  const released = keeper.release();
  await jest.advanceTimersByTimeAsync(1000);
  expect(await released).toBe(false);
});

test('a lease that comes too late is given back', async () => {
  const late = Promise.withResolvers<Lease | undefined>();
  const released: number[] = [];
  const acquiring = LeaseKeeper.acquire(
    LEASE,
    keeperOf({ acquire: () => late.promise, release: async ({ token }) => released.push(token) > 0 }),
  );
  const refused = expect(acquiring).rejects.toMatchObject({ id: 'WORKER_NO_ANSWER' });
  await jest.advanceTimersByTimeAsync(1000);
  await refused;
  late.resolve(LEASE);
  await jest.advanceTimersByTimeAsync(0);
  expect(released).toEqual([LEASE.token]);
});
