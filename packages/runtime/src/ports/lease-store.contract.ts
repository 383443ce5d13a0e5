import { describe, expect, test } from '@jest/globals';
import type { Lease, LeaseStore, Standby, UnclaimedSessions } from './lease-store.ts';

/** A store under test, and what moves the clock that it compares with its expiries. */
export interface LeaseStoreFixture<S extends LeaseStore = LeaseStore> {
  readonly store: S;
  readonly advance: (ms: number) => void | Promise<void>;
}

function requestOf(workerId: string, sessionId = 's1'): Omit<Lease, 'token'> {
  return { channel: 'news', sessionId, workerId, from: { k: 10, part: 0 } };
}

function standbyOf(workerId: string): Standby {
  return { channel: 'news', sessionId: 's1', workerId };
}

const HELD = { kind: 'held' };
const LOST = { kind: 'lost' };

/** The rules that every list of unclaimed sessions keeps, beside the leases that it goes by. */
export function describeUnclaimedSessions(
  name: string,
  create: () => Promise<LeaseStoreFixture<LeaseStore & UnclaimedSessions>>,
): void {
  describe(`unclaimed sessions: ${name}`, () => {
    const [first, second] = [
      { channel: 'news', sessionId: 's1' },
      { channel: 'sport', sessionId: 's2' },
    ];

    async function listed(store: UnclaimedSessions): Promise<string[]> {
      return (await store.unclaimed()).map(({ channel, sessionId }) => `${channel} ${sessionId}`).toSorted();
    }

    test('a session is listed once, until a worker takes it', async () => {
      const { store } = await create();
      expect(await listed(store)).toEqual([]);
      await store.offer([first, second]);
      await store.offer([first]);
      expect(await listed(store)).toEqual(['news s1', 'sport s2']);
      expect(await store.holderOf(first)).toBeUndefined();
      await store.acquire(requestOf('a'));
      expect(await listed(store)).toEqual(['sport s2']);
      expect(await store.holderOf(first)).toBe('a');
      expect(await store.holderOf({ ...first, sessionId: 's9' })).toBeUndefined();
    });

    test('a session that is held is not listed, and is again when its lease has lapsed or was given up', async () => {
      const { store, advance } = await create();
      const lease = await store.acquire(requestOf('a'));
      if (lease === undefined) throw new Error('not acquired');
      await store.offer([first]);
      expect(await listed(store)).toEqual([]);
      await advance(3100);
      await store.offer([first]);
      expect(await listed(store)).toEqual(['news s1']);
      const next = await store.acquire(requestOf('b'));
      if (next === undefined) throw new Error('not acquired');
      await store.release(next);
      await store.offer([first]);
      expect(await listed(store)).toEqual(['news s1']);
    });

    test('a session that was withdrawn is not listed; the list of none changes nothing', async () => {
      const { store } = await create();
      await store.offer([first, second]);
      await store.withdraw([first]);
      await store.withdraw([]);
      await store.offer([]);
      expect(await listed(store)).toEqual(['sport s2']);
    });
  });
}

/** The rules that every lease store keeps. */
export function describeLeaseStore(name: string, create: () => Promise<LeaseStoreFixture>): void {
  describe(`lease store: ${name}`, () => {
    test('one of many workers wins', async () => {
      const { store } = await create();
      const results = await Promise.all(['a', 'b', 'c'].map((worker) => store.acquire(requestOf(worker))));
      expect(results.filter((lease) => lease !== undefined)).toHaveLength(1);
    });

    test('a lease lives while it is renewed and is free 3 s after the last renewal', async () => {
      const { store, advance } = await create();
      const lease = await store.acquire(requestOf('a'));
      if (lease === undefined) throw new Error('not acquired');
      for (let round = 0; round < 10; round += 1) {
        await advance(2000);
        expect(await store.renew(lease)).toEqual(HELD);
      }
      expect(await store.acquire(requestOf('b'))).toBeUndefined();
      await advance(3100);
      const next = await store.acquire(requestOf('b'));
      expect(next?.workerId).toBe('b');
      expect(next?.token).toBeGreaterThan(lease.token);
      expect(await store.renew(lease)).toEqual(LOST);
    });

    test('a lease that lapsed is held again by its renewal, unless another worker took it or it was given up', async () => {
      const { store, advance } = await create();
      const first = await store.acquire(requestOf('a'));
      if (first === undefined) throw new Error('not acquired');
      await advance(60_000);
      expect(await store.renew(first)).toEqual(HELD);
      expect(await store.acquire(requestOf('b'))).toBeUndefined();
      await store.release(first);
      expect(await store.renew(first)).toEqual(LOST);
    });

    test('the holder that asks again gets no second lease, and loses neither the first nor its time', async () => {
      const { store, advance } = await create();
      const lease = await store.acquire(requestOf('a'));
      if (lease === undefined) throw new Error('not acquired');
      await advance(2000);
      expect(await store.acquire(requestOf('a'))).toBeUndefined();
      expect(await store.renew(lease)).toEqual(HELD);
      expect(await store.renew(lease)).toEqual(HELD);
      await advance(2000);
      expect(await store.acquire(requestOf('b'))).toBeUndefined();
      await advance(1100);
      expect((await store.acquire(requestOf('b')))?.token).toBeGreaterThan(lease.token);
    });

    test('a lease that is given up twice stays given up, and the next holder keeps it', async () => {
      const { store } = await create();
      const first = await store.acquire(requestOf('a'));
      if (first === undefined) throw new Error('not acquired');
      await store.release(first);
      const second = await store.acquire(requestOf('a'));
      if (second === undefined) throw new Error('not acquired');
      expect(second.token).toBeGreaterThan(first.token);
      expect(await store.release(first)).toBe(false);
      expect(await store.renew(first)).toEqual(LOST);
      expect(await store.renew(second)).toEqual(HELD);
      expect(await store.release(second)).toBe(true);
      expect(await store.release(second)).toBe(false);
    });

    test('a lease that was given up is free at once; giving up a lost one has no effect', async () => {
      const { store, advance } = await create();
      const first = await store.acquire(requestOf('a'));
      if (first === undefined) throw new Error('not acquired');
      await advance(3100);
      const second = await store.acquire(requestOf('b'));
      if (second === undefined) throw new Error('not acquired');
      await store.release(first);
      expect(await store.acquire(requestOf('c'))).toBeUndefined();
      await store.release(second);
      expect(await store.acquire(requestOf('c'))).toBeDefined();
    });

    test('a new session of the channel is not held up by the lease of the old one', async () => {
      const { store } = await create();
      await store.acquire(requestOf('a', 's1'));
      expect(await store.acquire(requestOf('b', 's2'))).toBeDefined();
    });

    test('a successor that is called for takes over from its position on, and the holder hears from where', async () => {
      const { store, advance } = await create();
      const holder = await take(store, 'a');
      expect(await store.announce(requestOf('b'))).toBeUndefined();
      expect(await store.callSuccessor({ ...holder, workerId: 'c' })).toBe(false);
      expect(await store.announce(requestOf('b'))).toBeUndefined();
      expect(await store.callSuccessor(holder)).toBe(true);
      expect(await store.announce(requestOf('a'))).toBeUndefined();
      const successor = await store.announce({ ...requestOf('b'), from: { k: 12, part: 0 } });
      if (successor === undefined) throw new Error('not announced');
      expect(successor.token).toBeGreaterThan(holder.token);
      // Nothing has changed for the holder yet, and nobody else may succeed it.
      expect(await store.renew(holder)).toEqual(HELD);
      expect(await store.announce(requestOf('c'))).toBeUndefined();
      expect(await store.commit(successor)).toBe(true);
      expect(await store.renew(holder)).toEqual({ kind: 'handed-over', from: { k: 12, part: 0 } });
      expect(await store.renew(successor)).toEqual(HELD);
      expect(await store.release(holder)).toBe(false);
      await advance(2000);
      expect(await store.renew(successor)).toEqual(HELD);
      // It is not called for any more, and the first holder is remembered by nobody who comes later.
      expect(await store.announce(requestOf('c'))).toBeUndefined();
      await advance(3100);
      const later = await take(store, 'c');
      expect(later.token).toBeGreaterThan(successor.token);
      expect(await store.renew(successor)).toEqual(LOST);
      expect(await store.renew(holder)).toEqual(LOST);
    });

    test('a successor that does not commit in time counts no more, and leaves everything as it was', async () => {
      const { store, advance } = await create();
      const holder = await take(store, 'a');
      await store.callSuccessor(holder);
      const first = await store.announce(requestOf('b'));
      if (first === undefined) throw new Error('not announced');
      for (let second = 0; second < 11; second += 1) {
        await advance(1000);
        expect(await store.renew(holder)).toEqual(HELD);
      }
      expect(await store.commit(first)).toBe(false);
      const second = await store.announce(requestOf('c'));
      if (second === undefined) throw new Error('not announced');
      expect(second.token).toBeGreaterThan(first.token);
      expect(await store.commit(first)).toBe(false);
      expect(await store.commit(second)).toBe(true);
    });

    test('whoever takes a lease that was given up has a token above that of an announced successor, which counts no more', async () => {
      const { store } = await create();
      const holder = await take(store, 'a');
      await store.callSuccessor(holder);
      const successor = await store.announce(requestOf('b'));
      if (successor === undefined) throw new Error('not announced');
      await store.release(holder);
      const other = await take(store, 'c');
      expect(other.token).toBeGreaterThan(successor.token);
      expect(await store.commit(successor)).toBe(false);
      expect(await store.renew(other)).toEqual(HELD);
    });

    test('one worker stands by for another that leads, and keeps everybody else out of its place', async () => {
      const { store, advance } = await create();
      expect(await store.standBy(standbyOf('b'))).toBe('lost');
      const leader = await take(store, 'a');
      expect(await store.standBy(standbyOf('a'))).toBe('lost');
      expect(await store.standBy(standbyOf('b'))).toBe('standing-by');
      expect(await store.standBy(standbyOf('c'))).toBe('lost');
      await advance(2000);
      expect(await store.renew(leader)).toEqual(HELD);
      expect(await store.standBy(standbyOf('b'))).toBe('standing-by');
      await store.callSuccessor(leader);
      expect(await store.announce(requestOf('c'))).toBeUndefined();
      expect(await store.standBy(standbyOf('b'))).toBe('wanted');
      await store.release(leader);
      expect(await store.acquire(requestOf('c'))).toBeUndefined();
      expect(await store.standBy(standbyOf('b'))).toBe('wanted');
    });

    test('the standby takes over from a leader that is there, which hears that it has lost its lease', async () => {
      const { store } = await create();
      const leader = await take(store, 'a');
      expect(await store.takeOver(requestOf('b'))).toBeUndefined();
      await store.standBy(standbyOf('b'));
      expect(await store.takeOver(requestOf('c'))).toBeUndefined();
      const lease = await store.takeOver(requestOf('b'));
      if (lease === undefined) throw new Error('not taken over');
      expect(lease).toMatchObject({ workerId: 'b', from: { k: 10, part: 0 } });
      expect(lease.token).toBeGreaterThan(leader.token);
      expect(await store.renew(leader)).toEqual(LOST);
      expect(await store.renew(lease)).toEqual(HELD);
      expect(await store.takeOver(requestOf('b'))).toBeUndefined();
      // Its place is free for whoever led before.
      expect(await store.standBy(standbyOf('a'))).toBe('standing-by');
    });

    test('a standby that is silent for 3 s keeps nobody out; one that stands down does so at once', async () => {
      const { store, advance } = await create();
      const leader = await take(store, 'a');
      await store.standBy(standbyOf('b'));
      await advance(3100);
      expect(await store.renew(leader)).toEqual(HELD);
      expect(await store.standBy(standbyOf('c'))).toBe('standing-by');
      expect(await store.standBy(standbyOf('b'))).toBe('lost');
      await store.standDown(standbyOf('b'));
      expect(await store.standBy(standbyOf('b'))).toBe('lost');
      await store.standDown(standbyOf('c'));
      await store.release(leader);
      expect(await store.standBy(standbyOf('b'))).toBe('lost');
      expect((await store.acquire(requestOf('d')))?.workerId).toBe('d');
    });

    test('a standby of a session that is over stands in nobody’s way', async () => {
      const { store } = await create();
      await take(store, 'a');
      await store.standBy(standbyOf('b'));
      expect(await store.acquire(requestOf('c', 's2'))).toBeDefined();
    });

    test('nobody is called for a session that nobody holds', async () => {
      const { store, advance } = await create();
      expect(await store.callSuccessor({ channel: 'news', sessionId: 's1' })).toBe(false);
      const holder = await take(store, 'a');
      expect(await store.callSuccessor({ channel: 'news', sessionId: 's2' })).toBe(false);
      await advance(3100);
      expect(await store.callSuccessor(holder)).toBe(false);
    });
  });
}

async function take(store: LeaseStore, workerId: string): Promise<Lease> {
  const lease = await store.acquire(requestOf(workerId));
  if (lease === undefined) throw new Error('not acquired');
  return lease;
}
