import { describe, expect, test } from '@jest/globals';
import { control, session } from '@millrace/contracts';
import { eventually } from '../testing/eventually.ts';
import {
  accepted,
  claimOf,
  follow,
  liveSession,
  periodOf,
  storeOn,
  stored,
} from '../testing/live-session.ts';
import { LossyProxy } from '../testing/lossy-proxy.ts';
import { connectTo, silentLogger, useRedisServer } from '../testing/redis-fixture.ts';
import { RedisLeaseStore } from './redis-lease-store.ts';
import { RedisSessionStore } from './redis-session-store.ts';
import { redisKeys } from './redis/redis-keys.ts';

const { fresh } = useRedisServer();

describe('Redis loses its data', () => {
  test('a store that was emptied is filled by its writers: same session, same tokens, nobody is refused', async () => {
    const fixture = await fresh();
    const live = await liveSession(fixture);
    const redis = await fixture.connect();
    const before = live.seen.get(live.sessionId);
    await redis.do((client) => client.flushall());
    await eventually(async () => (await stored(redis, live.sessionId))['currentK'] === '105');
    const leaseKey = redisKeys.lease('news');
    await eventually(
      async () => (await redis.do((client) => client.hget(leaseKey, 'token'))) === String(live.lease.token),
    );
    // What viewers see is what was there, but for the revision.
    const after = await eventually(() => {
      const record = live.seen.get(live.sessionId);
      return record !== undefined && record.revision > (before?.revision ?? 0) ? record : undefined;
    });
    expect({ ...after, revision: 0 }).toEqual({ ...before, revision: 0 });
    expect(after.periods.map(({ ordinal, lastK }) => [ordinal, lastK])).toEqual([
      [0, 104],
      [1, undefined],
    ]);
    expect(await live.takeOver()).toBeUndefined();
    expect(await live.ingest.update('news', live.token, { currentK: 106 })).toBe(true);
    expect(live.publication.refusals + live.leasing.refusals).toBe(0);
    const next = accepted(await live.ingest.claimPublication(claimOf({ encoderId: 'encoder-2' })));
    expect(next.record.sessionId).toBe(live.sessionId);
    expect(next.token).toBeGreaterThan(live.token);
  });

  test('nobody takes a lease before its holder could bring it back', async () => {
    const fixture = await fresh();
    const ingest = storeOn(await fixture.connect(), fixture);
    const { token, record } = accepted(await ingest.claimPublication(claimOf()));
    const leases = new RedisLeaseStore({ redis: await fixture.connect() });
    const request = { channel: 'news', sessionId: record.sessionId, from: { k: 1, part: 0 } };
    const lease = await leases.acquire({ ...request, workerId: 'worker-1' });
    const redis = await fixture.connect();
    await redis.do((client) => client.flushall());
    expect(await ingest.renewPublication('news', token)).toBe(true);
    expect(await leases.acquire({ ...request, workerId: 'worker-2' })).toBeUndefined();
    if (lease === undefined) throw new Error('not acquired');
    expect(await leases.renew(lease)).toEqual({ kind: 'held' });
  });

  test('a session in its gap is brought back as well, so that its encoder goes on with it', async () => {
    const fixture = await fresh();
    const ingest = storeOn(await fixture.connect(), fixture);
    const { token, record } = accepted(await ingest.claimPublication(claimOf()));
    await ingest.releasePublication('news', token);
    const redis = await fixture.connect();
    await redis.do((client) => client.flushall());
    await eventually(
      async () => (await stored(redis, record.sessionId))['state'] === String(session.SessionState.GAP),
    );
    const other = storeOn(await fixture.connect(), fixture);
    const next = accepted(await other.claimPublication(claimOf()));
    expect(next.isNewSession).toBe(false);
    expect(next.record.sessionId).toBe(record.sessionId);
    expect(next.token).toBeGreaterThan(token);
  });

  test('an ingest whose publication was taken over brings nothing back over its successor', async () => {
    const fixture = await fresh();
    const first = storeOn(await fixture.connect(), fixture);
    const second = storeOn(await fixture.connect(), fixture);
    const older = accepted(await first.claimPublication(claimOf()));
    const newer = accepted(
      await second.claimPublication(
        claimOf({ encoderId: 'encoder-2', ingest: { id: 'ingest-2', address: '' } }),
      ),
    );
    await second.update('news', newer.token, { currentK: 200 });
    const redis = await fixture.connect();
    await redis.do((client) => client.flushall());
    // The older one is first, and has not heard of the takeover.
    await first.renewPublication('news', older.token);
    expect(await second.renewPublication('news', newer.token)).toBe(true);
    expect(await first.renewPublication('news', older.token)).toBe(false);
    expect((await stored(redis, newer.record.sessionId))['currentK']).toBe('200');
    expect(await redis.do((client) => client.hget(redisKeys.publication('news'), 'token'))).toBe(
      String(newer.token),
    );
  });

  test('a session is live again where its ingest before was first to bring it back', async () => {
    const fixture = await fresh();
    const ingests = await Promise.all([0, 1].map(async () => storeOn(await fixture.connect(), fixture)));
    const [before, now] = ingests;
    if (before === undefined || now === undefined) throw new Error('no stores');
    // Of one name, as one that was started again: nothing in the record tells them apart.
    const first = accepted(await before.claimPublication(claimOf()));
    await before.update('news', first.token, { openPeriod: periodOf(0), currentK: 100 });
    await before.releasePublication('news', first.token);
    const { token, record } = accepted(await now.claimPublication(claimOf()));
    const seen = follow(before, fixture);
    await eventually(() => seen.get(record.sessionId)?.state === session.SessionState.LIVE);
    const redis = await fixture.connect();
    await redis.do((client) => client.flushall());
    await eventually(async () => (await stored(redis, record.sessionId))['state'] !== undefined);
    expect(await now.renewPublication('news', token)).toBe(true);
    const state = (await stored(redis, record.sessionId))['state'];
    expect(state).toBe(String(session.SessionState.LIVE));
  });

  test('an ingest whose session has gone to another one brings nothing back', async () => {
    const fixture = await fresh();
    const before = storeOn(await fixture.connect(), fixture);
    const now = storeOn(await fixture.connect(), fixture);
    const first = accepted(await before.claimPublication(claimOf()));
    await before.releasePublication('news', first.token);
    const elsewhere = claimOf({ ingest: { id: 'ingest-2', address: '' } });
    const { token, record } = accepted(await now.claimPublication(elsewhere));
    const seen = follow(before, fixture);
    await eventually(() => seen.get(record.sessionId)?.ingest?.id === 'ingest-2');
    // Its own poll would bring it back as well.
    await now.stop();
    const redis = await fixture.connect();
    await redis.do((client) => client.flushall());
    // Two polls.
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect(await stored(redis, record.sessionId)).toEqual({});
    expect(await now.renewPublication('news', token)).toBe(true);
  });

  test('a backup that stands by leaves the air to a primary that has yet to come back', async () => {
    const fixture = await fresh();
    const [primary, backup] = await Promise.all(
      [0, 1].map(async () => storeOn(await fixture.connect(), fixture)),
    );
    if (primary === undefined || backup === undefined) throw new Error('no stores');
    const { token, record } = accepted(await primary.claimPublication(claimOf()));
    const seen = follow(backup, fixture);
    await eventually(() => seen.get(record.sessionId)?.state === session.SessionState.LIVE);
    const redis = await fixture.connect();
    await redis.do((client) => client.flushall());
    const standby = claimOf({
      ...{ ingest: { id: 'ingest-2', address: '' }, role: control.PublishRole.BACKUP, encoderId: 'backup' },
    });
    expect(await backup.claimPublication(standby)).toEqual({ kind: 'refused', refusal: 'standby' });
    expect(await primary.renewPublication('news', token)).toBe(true);
    expect(await backup.claimPublication(standby)).toEqual({ kind: 'refused', refusal: 'standby' });
    expect((await stored(redis, record.sessionId))['sessionId']).toBe(record.sessionId);
  });

  test('an encoder that comes first goes on with the session that was there', async () => {
    const fixture = await fresh();
    const gone = await fixture.connect();
    const before = storeOn(gone, fixture);
    const now = storeOn(await fixture.connect(), fixture);
    const { record, token } = accepted(await before.claimPublication(claimOf()));
    const seen = follow(now, fixture);
    await eventually(() => seen.get(record.sessionId)?.state === session.SessionState.LIVE);
    // Nobody is left to bring it back.
    await before.stop();
    gone.stop();
    const redis = await fixture.connect();
    await redis.do((client) => client.flushall());
    const elsewhere = claimOf({ ingest: { id: 'ingest-2', address: '' } });
    const next = accepted(await now.claimPublication(elsewhere));
    expect(next).toMatchObject({ isNewSession: false, record: { sessionId: record.sessionId } });
    expect(next.token).toBeGreaterThan(token);
  });

  test('a store that fell back to an older state is brought forward', async () => {
    const fixture = await fresh();
    const ingest = storeOn(await fixture.connect(), fixture);
    const { token, record } = accepted(await ingest.claimPublication(claimOf()));
    const redis = await fixture.connect();
    const key = redisKeys.session('news', record.sessionId);
    const old = await redis.do((client) => client.dumpBuffer(key));
    await ingest.update('news', token, { openPeriod: periodOf(0), currentK: 100 });
    await redis.do((client) => client.restore(key, 0, old, 'REPLACE'));
    expect(await ingest.renewPublication('news', token)).toBe(true);
    expect(await stored(redis, record.sessionId)).toMatchObject({
      currentK: '100',
      periods: '0',
      state: '1',
    });
  });

  test('keys of others, and records that are damaged, hold up no sweep', async () => {
    const fixture = await fresh();
    const store = storeOn(await fixture.connect(), fixture);
    const redis = await fixture.connect();
    await redis.do((client) => client.set('session:{other}:text', 'not ours'));
    await redis.do((client) => client.hset('session:{other}:hash', 'state', 'what'));
    const { token } = accepted(await store.claimPublication(claimOf({ graceSeconds: 0 })));
    await redis.do((client) => client.set(redisKeys.sessionOf('broken'), 'x'));
    await store.releasePublication('news', token);
    const swept = await eventually(async () => {
      const changed = await store.sweep();
      return changed.length > 0 && changed;
    });
    expect(swept.map(({ state }) => state)).toEqual([session.SessionState.ENDED]);
  });

  test('the index is put right by the sweep', async () => {
    const fixture = await fresh();
    const ingest = storeOn(await fixture.connect(), fixture);
    const { record } = accepted(await ingest.claimPublication(claimOf()));
    await ingest.stop();
    const redis = await fixture.connect();
    await redis.do((client) => client.del('live'));
    await redis.do((client) => client.hset('live', 'no-session', 'sport:3:1:0', 'damaged', 'x'));
    const janitor = storeOn(await fixture.connect(), fixture);
    const seen = follow(janitor, fixture);
    await janitor.sweep();
    await eventually(() => seen.has(record.sessionId));
    expect(Object.keys(await redis.do((client) => client.hgetall('live')))).not.toContain('no-session');
  });
});

test('a worker that has yet to hear of a new session takes nothing from it', async () => {
  const fixture = await fresh();
  const ingest = storeOn(await fixture.connect(), fixture);
  const ended = accepted(await ingest.claimPublication(claimOf({ graceSeconds: 0 })));
  await ingest.releasePublication('news', ended.token);
  const next = accepted(await ingest.claimPublication(claimOf({ graceSeconds: 0 })));
  expect(next.isNewSession).toBe(true);
  const leases = new RedisLeaseStore({ redis: await fixture.connect() });
  const at = { channel: 'news', from: { k: 0, part: 0 } };
  const lease = await leases.acquire({ ...at, sessionId: next.record.sessionId, workerId: 'w1' });
  const late = { ...at, sessionId: ended.record.sessionId, workerId: 'w2' };
  expect(await leases.acquire(late)).toBeUndefined();
  if (lease === undefined) throw new Error('not acquired');
  expect(await leases.renew(lease)).toEqual({ kind: 'held' });
});

describe('Redis is away', () => {
  test('live sessions go on from the mirror, calls fail with a name, and all goes on when it is back', async () => {
    const fixture = await fresh();
    const live = await liveSession(fixture);
    fixture.server.pause();
    const startedMs = performance.now();
    const claim = live.ingest.claimPublication(claimOf({ channel: 'sport' }));
    await expect(claim).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      id: 'REDIS_UNAVAILABLE',
      retryable: true,
    });
    expect(performance.now() - startedMs).toBeLessThan(5000);
    // Whoever begins to watch now is told what is known.
    const late = follow(live.viewers, fixture);
    await eventually(() => late.get(live.sessionId)?.currentK === 105);
    // Longer than publications and leases live.
    await eventually(() => performance.now() - startedMs > 3500);
    fixture.server.resume();
    // At its return nobody takes what nobody could renew.
    const taken = await eventually(async () => {
      const lease = await live.takeOver().catch(() => 'away' as const);
      return lease === 'away' ? undefined : { lease };
    });
    expect(taken.lease).toBeUndefined();
    const { renewals } = live.leasing;
    await eventually(() => live.leasing.renewals > renewals + 2 && live.publication.renewals > 2);
    expect(live.publication.refusals + live.leasing.refusals).toBe(0);
    await live.ingest.update('news', live.token, { currentK: 110 });
    await eventually(() => late.get(live.sessionId)?.currentK === 110);
  });

  test('a server that crashed and comes back empty is filled again; who watches hears of later changes', async () => {
    const fixture = await fresh();
    const live = await liveSession(fixture);
    await fixture.server.kill();
    await expect(live.ingest.update('news', live.token, { currentK: 106 })).rejects.toMatchObject({
      id: 'REDIS_UNAVAILABLE',
    });
    await fixture.server.start();
    await eventually(() => live.ingest.update('news', live.token, { currentK: 107 }).catch(() => undefined));
    await eventually(() => live.seen.get(live.sessionId)?.currentK === 107);
    expect(live.publication.refusals + live.leasing.refusals).toBe(0);
  });

  test('changes are heard of without pub/sub', async () => {
    const fixture = await fresh();
    const live = await liveSession(fixture);
    const redis = await fixture.connect();
    await redis.do((client) => client.config('SET', 'maxclients', '500'));
    await redis.do((client) => client.call('CLIENT', 'KILL', 'TYPE', 'pubsub'));
    await live.ingest.update('news', live.token, { currentK: 120 });
    await eventually(() => live.seen.get(live.sessionId)?.currentK === 120);
  });

  test('a master that became a replica refuses with a name, and serves again when it is a master', async () => {
    const fixture = await fresh();
    const live = await liveSession(fixture);
    const redis = await fixture.connect();
    await redis.do((client) => client.replicaof('127.0.0.1', '1'));
    const refused = live.ingest.update('news', live.token, { currentK: 130 });
    await expect(refused).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
    await redis.do((client) => client.replicaof('NO', 'ONE'));
    await eventually(() => live.ingest.update('news', live.token, { currentK: 131 }).catch(() => undefined));
    expect(live.publication.refusals + live.leasing.refusals).toBe(0);
  });
});

async function throughProxy(fixture: Awaited<ReturnType<typeof fresh>>) {
  const proxy = await LossyProxy.start(fixture.server.port);
  const redis = await connectTo({ url: `redis://127.0.0.1:${proxy.port}` });
  fixture.onEnd(async () => {
    redis.stop();
    await proxy.stop();
  });
  return { proxy, redis };
}

describe('Redis falls silent', () => {
  test('a connection that is dead without a word is made anew, that of the listener as well', async () => {
    const { proxy, redis } = await throughProxy(await fresh());
    const heard: string[] = [];
    redis.subscribe('hints', (message) => heard.push(message));
    const say = (message: string) => redis.do((client) => client.publish('hints', message));
    await eventually(async () => (await say('before')) === 1);
    proxy.fallSilent();
    await expect(say('lost')).rejects.toMatchObject({ id: 'REDIS_UNAVAILABLE', retryable: true });
    await eventually(() => redis.isReady && say('after').catch(() => undefined));
    await eventually(async () => {
      await say('after');
      return heard.includes('after');
    });
  }, 30_000);

  test('little is sent to a Redis that hangs, and run when it is back', async () => {
    const fixture = await fresh();
    const redis = await fixture.connect();
    const count = () => redis.do((client) => client.incr('count'));
    await count();
    fixture.server.pause();
    let failures = 0;
    for (let call = 0; call < 400; call += 1) {
      void count().catch(() => (failures += 1));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    fixture.server.resume();
    await eventually(() => redis.isReady);
    await eventually(() => failures === 400);
    // A second and a half of four.
    expect(await count()).toBeLessThan(250);
  }, 30_000);
});

describe('an answer is lost on the way', () => {
  test('a claim that was granted is not refused because of itself', async () => {
    const fixture = await fresh();
    const { proxy, redis } = await throughProxy(fixture);
    const store = new RedisSessionStore({ redis, logger: silentLogger });
    await store.renewPublication('news', 1);
    proxy.loseAnswer();
    const claim = store.claimPublication(claimOf({ takeoverPolicy: session.TakeoverPolicy.REJECT }));
    const outcome = accepted(await claim);
    expect(proxy.isWaiting).toBe(false);
    expect(outcome.isNewSession).toBe(true);
    expect(outcome.replacedToken).toBeUndefined();
    expect(await store.renewPublication('news', outcome.token)).toBe(true);
  });

  test('a claim that ran after nobody waited for it any more is the next one’s, not in its way', async () => {
    const fixture = await fresh();
    const store = new RedisSessionStore({ redis: await fixture.connect(), logger: silentLogger });
    await store.renewPublication('news', 1);
    const claim = claimOf({ takeoverPolicy: session.TakeoverPolicy.REJECT });
    fixture.server.pause();
    await expect(store.claimPublication(claim)).rejects.toMatchObject({ id: 'REDIS_UNAVAILABLE' });
    fixture.server.resume();
    const outcome = await eventually(() => store.claimPublication(claim).catch(() => undefined));
    expect(outcome).toMatchObject({ kind: 'accepted', isNewSession: true });
    expect(outcome).not.toHaveProperty('replacedToken');
    // Another one is in its way as ever.
    expect(await store.claimPublication(claim)).toMatchObject({ kind: 'refused', refusal: 'in-use' });
  });

  test('nor is a lease', async () => {
    const fixture = await fresh();
    const leases = new RedisLeaseStore({ redis: await fixture.connect() });
    const request = { channel: 'news', sessionId: 's', workerId: 'w', from: { k: 1, part: 0 } };
    await leases.unclaimed();
    fixture.server.pause();
    await expect(leases.acquire(request)).rejects.toMatchObject({ id: 'REDIS_UNAVAILABLE' });
    fixture.server.resume();
    const lease = await eventually(() => leases.acquire(request).catch(() => undefined));
    expect(await leases.renew(lease)).toEqual({ kind: 'held' });
    expect(await leases.acquire(request)).toBeUndefined();
  });

  test('a lease that was granted is not held against its holder', async () => {
    const fixture = await fresh();
    const { proxy, redis } = await throughProxy(fixture);
    const leases = new RedisLeaseStore({ redis });
    const request = { channel: 'news', sessionId: 's', workerId: 'w', from: { k: 1, part: 0 } };
    await leases.unclaimed();
    proxy.loseAnswer();
    const lease = await leases.acquire(request);
    expect(proxy.isWaiting).toBe(false);
    if (lease === undefined) throw new Error('refused because of itself');
    expect(await leases.renew(lease)).toEqual({ kind: 'held' });
    expect(await leases.acquire(request)).toBeUndefined();
  });

  test('a commit that never came is made by the successor’s first renewal', async () => {
    const fixture = await fresh();
    const leases = new RedisLeaseStore({ redis: await fixture.connect() });
    const request = { channel: 'news', sessionId: 's', from: { k: 1, part: 0 } };
    const holder = await leases.acquire({ ...request, workerId: 'a' });
    if (holder === undefined) throw new Error('not acquired');
    await leases.callSuccessor(holder);
    const successor = await leases.announce({ ...request, workerId: 'b', from: { k: 12, part: 0 } });
    if (successor === undefined) throw new Error('not announced');
    expect(await leases.renew(successor)).toEqual({ kind: 'held' });
    expect(await leases.renew(holder)).toEqual({ kind: 'handed-over', from: { k: 12, part: 0 } });
    expect(await leases.renew(successor)).toEqual({ kind: 'held' });
  });

  test('a change that was made is made once', async () => {
    const fixture = await fresh();
    const { proxy, redis } = await throughProxy(fixture);
    const store = new RedisSessionStore({ redis, logger: silentLogger });
    const { token, record } = accepted(await store.claimPublication(claimOf()));
    proxy.loseAnswer();
    expect(await store.update('news', token, { openPeriod: periodOf(0), currentK: 3 })).toBe(true);
    expect(await stored(redis, record.sessionId)).toMatchObject({
      periods: '0',
      currentK: '3',
      revision: '2',
    });
  });
});
