import { expect, test } from '@jest/globals';
import { control, session } from '@millrace/contracts';
import { createLogger, MemoryLeaseStore, MemorySessionStore, unitsOf } from '@millrace/runtime';
import type { RenditionSink } from '@millrace/runtime';
import { Registry } from 'prom-client';
import { workerConfigSchema } from '../config.ts';
import { createWorkerMetrics } from '../metrics.ts';
import { FakeRelay } from '../testing/fake-relay.ts';
import { peersOf } from '../testing/peers.ts';
import { audioRendition, videoRendition } from '../testing/renditions.ts';
import { presentationOf } from '../testing/worker-harness.ts';
import { hesitationMs, inTurn, SessionClaimer } from './session-claimer.ts';

/** A packager that never answers the hello: the work for a session begins and goes no further. */
const silentSink: RenditionSink = {
  open: (_hello, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('stopped')));
    }),
};

/** A claimer on embedded stores, and channels that are live in them. */
class ClaimerWorld {
  readonly #clock = Date.now;
  readonly sessions = new MemorySessionStore({ clock: this.#clock });
  readonly leases = new MemoryLeaseStore({ clock: this.#clock });
  readonly metrics = createWorkerMetrics(new Registry());
  readonly lines: string[] = [];
  readonly claimer: SessionClaimer;

  constructor(capacityUnits: number) {
    this.claimer = new SessionClaimer({
      ...{ sessions: this.sessions, leases: this.leases, metrics: this.metrics, capacityUnits },
      bus: { subscribe: () => () => undefined },
      peers: peersOf(new FakeRelay(), silentSink),
      startTranscoder: () => {
        throw new Error('nothing is transcoded here');
      },
      config: workerConfigSchema.parse({}),
      events: { emit: () => {} },
      logger: createLogger({
        service: 'transcode-worker',
        level: 'warn',
        destination: { write: (line) => void this.lines.push(line) },
      }),
      clock: this.#clock,
    });
  }

  /** Makes a channel live; returns its session. */
  async publish(
    channel: string,
    presentation: session.Presentation,
    graceSeconds = 30,
  ): Promise<{ readonly sessionId: string; readonly token: number }> {
    const outcome = await this.sessions.claimPublication({
      channel,
      takeoverPolicy: session.TakeoverPolicy.TAKEOVER,
      inputPreference: session.InputPreference.PRIMARY,
      graceSeconds,
      ingest: { id: 'ingest-1', address: '' },
      role: control.PublishRole.PRIMARY,
      encoderId: channel,
    });
    if (outcome.kind !== 'accepted') throw new Error('refused');
    await this.sessions.update(channel, outcome.token, { presentation });
    for await (const { channel: found, sessionId } of this.sessions.watch(AbortSignal.timeout(10_000)))
      if (found === channel) return { sessionId, token: outcome.token };
    throw new Error('not there');
  }

  async until(wanted: () => Promise<boolean> | boolean): Promise<void> {
    while (!(await wanted())) await new Promise((resolve) => setImmediate(resolve));
  }

  async valueOf(metric: 'waitingSessions' | 'loadUnits'): Promise<number> {
    return (await this.metrics[metric].get()).values[0]?.value ?? 0;
  }
}

test('a session beyond the capacity waits, is counted and told of once, and is left when it has ended', async () => {
  // The presentation of the tests costs more than half of it.
  const world = new ClaimerWorld(0.6);
  world.claimer.start();
  try {
    await world.publish('first', presentationOf());
    await world.until(() => world.claimer.loadUnits > 0);
    const { sessionId, token } = await world.publish('second', presentationOf(), 0);
    await world.leases.offer([{ channel: 'second', sessionId }]);
    await world.until(async () => (await world.valueOf('waitingSessions')) === 1);
    await world.sessions.releasePublication('second', token);
    await world.sessions.sweep();
    await world.until(async () => (await world.valueOf('waitingSessions')) === 0);
    expect(world.lines.filter((line) => line.includes('WORKER_CAPACITY'))).toHaveLength(1);
  } finally {
    await world.claimer.stop(1000);
  }
});

test('a session that is too big for what is left leaves the room to a smaller one', async () => {
  const small = presentationOf({ renditions: [audioRendition()] });
  const big = presentationOf({ renditions: [videoRendition({ width: 1920, height: 1080 })] });
  const [smallUnits, bigUnits] = [unitsOf(small), unitsOf(big)];
  const world = new ClaimerWorld(bigUnits + smallUnits);
  world.claimer.start();
  try {
    await world.publish('big', big);
    await world.until(() => world.claimer.loadUnits === bigUnits);
    const { sessionId } = await world.publish('as-big', big);
    await world.leases.offer([{ channel: 'as-big', sessionId }]);
    await world.until(async () => (await world.valueOf('waitingSessions')) === 1);
    await world.publish('small', small);
    await world.until(() => world.claimer.loadUnits === bigUnits + smallUnits);
    expect(await world.valueOf('loadUnits')).toBe(bigUnits + smallUnits);
    expect(await world.leases.holderOf({ channel: 'as-big', sessionId })).toBeUndefined();
  } finally {
    await world.claimer.stop(1000);
  }
  expect(world.claimer.loadUnits).toBe(0);
});

test('a session that another worker leads counts as soon as this one stands by for it', async () => {
  const hot = presentationOf({ redundancy: session.Redundancy.HOT });
  const world = new ClaimerWorld(10);
  const { sessionId } = await world.publish('hot', hot);
  const request = { channel: 'hot', sessionId, workerId: 'another', from: { k: 0, part: 0 } };
  const lease = await world.leases.acquire(request);
  if (lease === undefined) throw new Error('not acquired');
  const renewing = setInterval(() => void world.leases.renew(lease), 500);
  world.claimer.start();
  try {
    await world.until(() => world.claimer.loadUnits === unitsOf(hot));
    expect(await world.leases.holderOf({ channel: 'hot', sessionId })).toBe('another');
  } finally {
    clearInterval(renewing);
    await world.claimer.stop(1000);
  }
});

test('every session has its turn, however few are tried at a time', () => {
  const ids = ['c', 'a', 'e', 'b', 'd'];
  const tried: string[] = [];
  for (let sweep = 0; sweep < 3; sweep += 1) tried.push(...inTurn(ids, tried.at(-1) ?? '').slice(0, 2));
  expect(tried).toEqual(['a', 'b', 'c', 'd', 'e', 'a']);
});

test('of several workers the fullest tries first, so that idle ones can be scaled down', () => {
  expect([0, 1, 2, 3, 5].map((loadUnits) => hesitationMs(loadUnits, 4))).toEqual([30, 22.5, 15, 7.5, 0]);
});
