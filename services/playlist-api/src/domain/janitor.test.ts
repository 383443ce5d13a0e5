import { expect, test } from '@jest/globals';
import { control, session } from '@millrace/contracts';
import { createLogger, MemoryLeaseStore, MemorySessionStore } from '@millrace/runtime';
import { Counter, Gauge } from 'prom-client';
import { Janitor } from './janitor.ts';
import type { JanitorDependencies } from './janitor.ts';

const NOW_MS = 1_800_000_000_000;

/** A janitor whose duties can be made to fail; the sessions that it sees are `records`. */
function janitorOf(change: Partial<JanitorDependencies>, records: readonly session.SessionRecord[] = []) {
  const revoked: number[] = [];
  const leases = new MemoryLeaseStore({ clock: () => NOW_MS });
  const failures = new Counter({ name: 'failures', help: 'x', registers: [] });
  const janitor = new Janitor({
    store: new MemorySessionStore({ clock: () => NOW_MS }),
    leases,
    catalogue: { revokeExpiredKeys: async () => void revoked.push(1) },
    mirror: {
      list: () => records.map((record) => ({ record, rows: new Map() }) as never),
      get: (id) =>
        records.filter(({ sessionId }) => sessionId === id).map((record) => ({ record }) as never)[0],
      count: () => 0,
      forgetEnded: () => undefined,
    },
    events: { emit: () => undefined },
    logger: createLogger({ service: 'test', level: 'error' }),
    failures,
    sessions: new Gauge({ name: 'sessions', help: 'x', labelNames: ['state'], registers: [] }),
    ...change,
  });
  return { janitor, leases, revoked, failures };
}

test('a duty that fails keeps none of the others from being done', async () => {
  const store = { sweep: () => Promise.reject(new Error('damaged')) } as never;
  const { janitor, revoked, failures } = janitorOf({ store });
  await janitor.run();
  expect(revoked).toHaveLength(1);
  expect((await failures.get()).values[0]?.value).toBe(1);
});

test('what is over is taken off the list of what wants a worker', async () => {
  const store = new MemorySessionStore({ clock: () => NOW_MS });
  const claim = {
    ...{ channel: 'news', graceSeconds: 30, encoderId: 'e', role: control.PublishRole.PRIMARY },
    takeoverPolicy: session.TakeoverPolicy.TAKEOVER,
    inputPreference: session.InputPreference.PRIMARY,
    ingest: { id: 'ingest-1', address: '' },
  };
  const outcome = await store.claimPublication(claim);
  if (outcome.kind !== 'accepted') throw new Error('refused');
  const ended = { ...outcome.record, state: session.SessionState.ENDED };
  const { janitor, leases } = janitorOf({}, [ended]);
  const other = { channel: 'sport', sessionId: 'unknown-yet' };
  await leases.offer([{ channel: 'news', sessionId: ended.sessionId }, other]);
  await janitor.run();
  expect(await leases.unclaimed()).toEqual([other]);
});
