import { control, session } from '@millrace/contracts';
import type { Lease } from '../ports/lease-store.ts';
import type { PublishClaim, PublishOutcome } from '../ports/session-store.ts';
import { RedisLeaseStore } from '../adapters/redis-lease-store.ts';
import { RedisSessionStore } from '../adapters/redis-session-store.ts';
import { redisKeys } from '../adapters/redis/redis-keys.ts';
import type { RedisConnection } from '../adapters/redis/redis-connection.ts';
import { eventually } from './eventually.ts';
import { silentLogger } from './redis-fixture.ts';
import type { RedisFixture } from './redis-fixture.ts';

const RENEW_MS = 100;

/** A claim of an encoder on the channel `news`. */
export function claimOf(change: Partial<PublishClaim> = {}): PublishClaim {
  return {
    channel: 'news',
    takeoverPolicy: session.TakeoverPolicy.TAKEOVER,
    inputPreference: session.InputPreference.PRIMARY,
    graceSeconds: 30,
    ingest: { id: 'ingest-1', address: '' },
    role: control.PublishRole.PRIMARY,
    encoderId: 'encoder-1',
    ...change,
  };
}

/** The outcome, which has to be a grant. */
export function accepted(outcome: PublishOutcome): Extract<PublishOutcome, { kind: 'accepted' }> {
  if (outcome.kind !== 'accepted') throw new Error(`refused: ${outcome.refusal}`);
  return outcome;
}

/** An open period. */
export function periodOf(ordinal: number): session.Period {
  return { ordinal, firstK: 100 + ordinal, startTicks: 7, tracks: [], reason: 'first' };
}

/** A store of a service of its own. */
export function storeOn(redis: RedisConnection, { onEnd }: RedisFixture): RedisSessionStore {
  const store = new RedisSessionStore({ redis, logger: silentLogger });
  store.start();
  onEnd(() => store.stop());
  return store;
}

/** Follows a store as a service does. */
export function follow(
  store: RedisSessionStore,
  { onEnd }: RedisFixture,
): Map<string, session.SessionRecord> {
  const records = new Map<string, session.SessionRecord>();
  const abort = new AbortController();
  const following = (async () => {
    for await (const record of store.watch(abort.signal)) records.set(record.sessionId, record);
  })();
  onEnd(async () => {
    abort.abort();
    await following;
  });
  return records;
}

/** Renews as an ingest or a worker does: what fails is tried again; says whether it was ever refused. */
function keepRenewing(renew: () => Promise<boolean>, { onEnd }: RedisFixture) {
  const state = { refusals: 0, renewals: 0 };
  let running: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    running = renew().then(
      (isHeld) => void (state[isHeld ? 'renewals' : 'refusals'] += 1),
      () => undefined,
    );
  }, RENEW_MS);
  onEnd(async () => {
    clearInterval(timer);
    await running;
  });
  return state;
}

/** An ingest, a worker and a viewer's side on three connections, with one live session. */
export async function liveSession(fixture: RedisFixture) {
  const ingest = storeOn(await fixture.connect(), fixture);
  const viewers = storeOn(await fixture.connect(), fixture);
  const workers = await fixture.connect();
  const { token, record } = accepted(await ingest.claimPublication(claimOf()));
  await ingest.update('news', token, { openPeriod: periodOf(0), currentK: 100 });
  await ingest.update('news', token, {
    endPeriod: { ordinal: 0, lastK: 104 },
    openPeriod: periodOf(1),
    currentK: 105,
  });
  const leases = new RedisLeaseStore({ redis: workers });
  const request = {
    channel: 'news',
    sessionId: record.sessionId,
    workerId: 'worker-1',
    from: { k: 100, part: 0 },
  };
  const lease = await leases.acquire(request);
  if (lease === undefined) throw new Error('not acquired');
  const seen = follow(viewers, fixture);
  await eventually(() => seen.get(record.sessionId)?.currentK === 105);
  return {
    ingest,
    viewers,
    leases,
    lease,
    token,
    seen,
    sessionId: record.sessionId,
    publication: keepRenewing(() => ingest.renewPublication('news', token), fixture),
    leasing: keepRenewing(async () => (await leases.renew(lease)).kind === 'held', fixture),
    takeOver: (): Promise<Lease | undefined> =>
      new RedisLeaseStore({ redis: workers }).acquire({ ...request, workerId: 'worker-2' }),
  };
}

/** The record as Redis has it. */
export async function stored(redis: RedisConnection, sessionId: string): Promise<Record<string, string>> {
  return redis.do((client) => client.hgetall(redisKeys.session('news', sessionId)));
}
