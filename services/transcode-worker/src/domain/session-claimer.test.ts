import { expect, test } from '@jest/globals';
import { control, session } from '@millrace/contracts';
import { createLogger, MemoryLeaseStore, MemorySessionStore } from '@millrace/runtime';
import type { RenditionSink } from '@millrace/runtime';
import { Registry } from 'prom-client';
import { workerConfigSchema } from '../config.ts';
import { createWorkerMetrics } from '../metrics.ts';
import { FakeRelay } from '../testing/fake-relay.ts';
import { peersOf } from '../testing/peers.ts';
import { presentationOf } from '../testing/worker-harness.ts';
import { hesitationMs, inTurn, SessionClaimer } from './session-claimer.ts';

/** A packager that never answers the hello: the work for a session begins and goes no further. */
const silentSink: RenditionSink = {
  open: (_hello, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('stopped')));
    }),
};

test('a session beyond the capacity waits, is counted and told of once, and is left when it has ended', async () => {
  const clock = Date.now;
  const sessions = new MemorySessionStore({ clock });
  const metrics = createWorkerMetrics(new Registry());
  const lines: string[] = [];
  const leases = new MemoryLeaseStore({ clock });
  const claimer = new SessionClaimer({
    sessions,
    leases,
    bus: { subscribe: () => () => undefined },
    peers: peersOf(new FakeRelay(), silentSink),
    startTranscoder: () => {
      throw new Error('nothing is transcoded here');
    },
    config: workerConfigSchema.parse({ maxSessions: 1 }),
    metrics,
    events: { emit: () => {} },
    logger: createLogger({
      service: 'transcode-worker',
      level: 'warn',
      destination: { write: (line) => void lines.push(line) },
    }),
    clock,
  });
  const publish = async (channel: string, graceSeconds: number): Promise<number> => {
    const outcome = await sessions.claimPublication({
      channel,
      takeoverPolicy: session.TakeoverPolicy.TAKEOVER,
      inputPreference: session.InputPreference.PRIMARY,
      graceSeconds,
      ingest: { id: 'ingest-1', address: '' },
      role: control.PublishRole.PRIMARY,
      encoderId: channel,
    });
    if (outcome.kind !== 'accepted') throw new Error('refused');
    await sessions.update(channel, outcome.token, { presentation: presentationOf() });
    return outcome.token;
  };
  const waiting = async (): Promise<number> => (await metrics.waitingSessions.get()).values[0]?.value ?? 0;
  const until = async (wanted: number): Promise<void> => {
    while ((await waiting()) !== wanted) await new Promise((resolve) => setImmediate(resolve));
  };
  claimer.start();
  try {
    await publish('first', 30);
    const token = await publish('second', 0);
    const records = sessions.watch(AbortSignal.timeout(10_000));
    for await (const { channel, sessionId } of records) {
      if (channel !== 'second') continue;
      await leases.offer([{ channel, sessionId }]);
      break;
    }
    await until(1);
    await sessions.releasePublication('second', token);
    await sessions.sweep();
    await until(0);
    expect(lines.filter((line) => line.includes('WORKER_CAPACITY'))).toHaveLength(1);
  } finally {
    await claimer.stop(1000);
  }
});

test('every session has its turn, however few are tried at a time', () => {
  const ids = ['c', 'a', 'e', 'b', 'd'];
  const tried: string[] = [];
  for (let sweep = 0; sweep < 3; sweep += 1) tried.push(...inTurn(ids, tried.at(-1) ?? '').slice(0, 2));
  expect(tried).toEqual(['a', 'b', 'c', 'd', 'e', 'a']);
});

test('of several workers the fullest tries first, so that idle ones can be scaled down', () => {
  expect([0, 1, 2, 3].map((sessions) => hesitationMs(sessions, 4))).toEqual([30, 22.5, 15, 7.5]);
});
