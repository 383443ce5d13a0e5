import { afterEach, describe, expect, test } from '@jest/globals';
import { session } from '@millrace/contracts';
import { MemoryLeaseStore, ServiceError } from '@millrace/runtime';
import { audioRendition, videoRendition } from './testing/renditions.ts';
import { readServed } from './testing/served-media.ts';
import { FIRST_K, presentationOf, WorkerHarness } from './testing/worker-harness.ts';

/** Nothing is encoded, so that what is seen is the worker's own. */
const SOURCE = presentationOf({
  renditions: [
    videoRendition({ id: 'source', isPassthrough: true }),
    audioRendition({ isPassthrough: true }),
  ],
});

let harness: WorkerHarness | undefined;
afterEach(async () => {
  harness?.relay.pause();
  await harness?.stop();
});

async function sourceWorker(seconds: number, prepare: (worker: WorkerHarness) => void = () => {}) {
  const worker = (harness = new WorkerHarness(SOURCE));
  await worker.addPeriod({ seconds });
  prepare(worker);
  worker.start();
  return worker;
}

function expectUnbroken(worker: WorkerHarness, segments: number): void {
  for (const id of ['source', 'audio']) {
    expect(worker.sink.window.rowsOf(id).map(({ k, isGap }) => [k - FIRST_K, isGap])).toEqual(
      Array.from({ length: segments }, (_, index) => [index, false]),
    );
    expect(readServed(worker.sink, id)).toMatchObject({ holes: [], dependentSegments: [] });
  }
}

function refusal(id: string): ServiceError {
  return new ServiceError('FAILED_PRECONDITION', id, id);
}

describe('a lease that is lost', () => {
  /** A store that came back empty. */
  function empty(worker: WorkerHarness): void {
    const fresh = new MemoryLeaseStore({ clock: () => Date.now() + 1000 });
    Object.assign(worker.leases, {
      acquire: fresh.acquire.bind(fresh),
      renew: fresh.renew.bind(fresh),
      release: fresh.release.bind(fresh),
    });
  }

  test('and free is taken again, with a newer token, and nothing is missing', async () => {
    const tokens: number[] = [];
    const worker = await sourceWorker(10, ({ sink }) => {
      sink.onHello = ({ leaseToken }) => void tokens.push(leaseToken);
    });
    worker.relay.play(1);
    await worker.sink.until(() => worker.sink.parts.length >= 2);
    empty(worker);
    await worker.until(() => worker.eventsOf('LeaseTaken').length >= 2);
    worker.relay.endSession();
    expect(await worker.finished()).toBe('session-ended');
    expectUnbroken(worker, 5);
    expect(tokens).toHaveLength(2);
    expect(tokens[1]).toBeGreaterThan(tokens[0] ?? 0);
    expect(await worker.sumOf('leaseLosses')).toBe(1);
  }, 30_000);

  test('and taken by another worker ends the output', async () => {
    const worker = await sourceWorker(20);
    worker.relay.play(1);
    await worker.sink.until(() => worker.sink.parts.length >= 2);
    empty(worker);
    const lease = await worker.leases.acquire({
      ...{ channel: 'news', sessionId: 'session-1', workerId: 'other', from: { k: 0, part: 0 } },
    });
    expect(lease?.workerId).toBe('other');
    expect(await worker.finished()).toBe('lease-lost');
    const { length } = worker.sink.parts;
    worker.relay.arriveUntil(20);
    await new Promise((resolve) => setImmediate(resolve));
    expect(worker.sink.parts).toHaveLength(length);
  }, 30_000);
});

describe('a handover that comes to nothing leaves the session with its worker, and says so:', () => {
  const ANYWHERE = { channel: 'news', sessionId: 'session-1', from: { k: FIRST_K, part: 0 } };

  /** A worker that is called to succeed another one; what became of it, and the lease of the other one. */
  async function succeed(prepare: (worker: WorkerHarness) => void) {
    const worker = (harness = new WorkerHarness(SOURCE));
    await worker.addPeriod({ seconds: 4 });
    const held = await worker.leases.acquire({ ...ANYWHERE, workerId: 'leader' });
    if (held === undefined) throw new Error('the lease is not free');
    await worker.leases.callSuccessor(ANYWHERE);
    prepare(worker);
    worker.start();
    return { worker, held, outcome: await worker.finished() };
  }

  test('packagers that cannot be told of it', async () => {
    const { worker, held, outcome } = await succeed(({ sink }) => {
      sink.onHello = () => {
        throw new Error('away');
      };
    });
    expect(outcome).toBe('lease-held');
    expect(worker.eventsOf('HandoverFailed')).toMatchObject([{ channel: 'news', reason: 'not-announced' }]);
    expect(await worker.leases.renew(held)).toEqual({ kind: 'held' });
  });

  test('an announcement that counts no more', async () => {
    const { worker, held, outcome } = await succeed(({ leases }) => {
      Object.assign(leases, { commit: async () => false });
    });
    expect(outcome).toBe('lease-held');
    expect(worker.eventsOf('HandoverFailed')).toMatchObject([{ channel: 'news', reason: 'not-committed' }]);
    expect(worker.eventsOf('LeaseTaken')).toEqual([]);
    expect(worker.sink.parts).toEqual([]);
    expect(await worker.leases.renew(held)).toEqual({ kind: 'held' });
  });
});

describe('a packager that', () => {
  test('refuses for a while is tried again, visibly; nothing is missing, and ffmpeg is not blamed', async () => {
    let refusals = 0;
    const worker = (harness = new WorkerHarness());
    await worker.addPeriod({ seconds: 6 });
    worker.sink.onPart = () => {
      refusals += 1;
      if (refusals <= 2) throw refusal('PACKAGER_CONTRADICTION');
    };
    worker.start();
    worker.relay.endSession();
    expect(await worker.finished()).toBe('session-ended');
    for (const id of ['180p', '90p', 'audio'])
      expect(worker.sink.window.rowsOf(id).map(({ isGap }) => isGap)).toEqual([false, false, false]);
    expect(worker.sink.opened).toBeGreaterThanOrEqual(2);
    expect(await worker.sumOf('peerFailures')).toBe(worker.sink.opened - 1);
    expect(await worker.sumOf('peerOutages')).toBe(0);
    expect(worker.eventsOf('TranscoderRestarted')).toEqual([]);
  }, 30_000);

  test.each(['PACKAGER_TOO_LONG', 'PACKAGER_INVALID'])(
    'refuses a part for what it is (%s) costs its segment in its rendition, and nothing else',
    async (id) => {
      const worker = (harness = new WorkerHarness());
      await worker.addPeriod({ seconds: 8 });
      worker.sink.onPart = ({ renditionId, position, isGap }) => {
        if (renditionId === '180p' && position?.k === FIRST_K + 1 && position.part === 1 && !isGap)
          throw refusal(id);
      };
      worker.start();
      worker.relay.endSession();
      expect(await worker.finished()).toBe('session-ended');
      const gapsOf = (rendition: string) => worker.sink.window.rowsOf(rendition).map(({ isGap }) => isGap);
      expect(gapsOf('180p')).toEqual([false, true, false, false]);
      for (const other of ['90p', 'audio']) expect(gapsOf(other)).toEqual([false, false, false, false]);
      expect(worker.sink.opened).toBe(2);
    },
    30_000,
  );

  test('does not open is tried again', async () => {
    const worker = await sourceWorker(4, ({ sink }) => {
      sink.onHello = () => {
        if (sink.opened <= 3) throw new Error('away');
      };
    });
    worker.relay.endSession();
    expect(await worker.finished()).toBe('session-ended');
    expectUnbroken(worker, 2);
    expect(await worker.sumOf('peerFailures')).toBe(3);
    expect(await worker.sumOf('peerOutages')).toBe(0);
  });

  test('follows a newer token ends the work', async () => {
    const worker = await sourceWorker(4, ({ sink }) => {
      sink.onHello = () => {
        throw refusal('PACKAGER_TOKEN_STALE');
      };
    });
    expect(await worker.finished()).toBe('fenced');
    expect(worker.sink.opened).toBe(1);
  });

  test('has ended the session ends the work, and what it did not take is counted', async () => {
    const worker = await sourceWorker(6, ({ sink }) => {
      sink.onPart = ({ position }) => {
        if ((position?.k ?? 0) > FIRST_K) throw refusal('PACKAGER_SESSION_ENDED');
      };
    });
    worker.relay.endSession();
    expect(await worker.finished()).toBe('session-ended');
    expect(worker.sink.opened).toBe(1);
    expect(worker.sink.window.rowsOf('source').map(({ k }) => k)).toEqual([FIRST_K]);
    expect(await worker.sumOf('droppedParts')).toBeGreaterThan(0);
  });
});

describe('what the record says was there', () => {
  test('and could not be read before the session ended becomes gaps up to the end, in later periods too', async () => {
    const worker = await sourceWorker(8);
    worker.relay.arriveUntil(4.5);
    await worker.sink.until(() => worker.sink.window.rowsOf('audio').length >= 2);
    const [first] = worker.periods;
    if (first === undefined) throw new Error('no period');
    worker.change({
      periods: [
        { ...first, lastK: FIRST_K + 3 },
        { ...first, ordinal: 1, firstK: FIRST_K + 6, lastK: FIRST_K + 7 },
      ],
    });
    // Ingest ends the session before the rest was read.
    worker.relay.forgetSession();
    expect(await worker.finished()).toBe('session-ended');
    for (const id of ['source', 'audio']) {
      expect(
        worker.sink.window.rowsOf(id).map(({ k, period, isGap }) => [k - FIRST_K, period, isGap]),
      ).toEqual([
        [0, 0, false],
        [1, 0, false],
        [2, 0, false],
        [3, 0, true],
        [6, 1, true],
        [7, 1, true],
      ]);
    }
  });
});

test('a session that is over and that ingest does not know any more is brought to its end', async () => {
  const worker = await sourceWorker(8);
  worker.relay.arriveUntil(4.5);
  await worker.sink.until(() => worker.sink.window.rowsOf('audio').length >= 2);
  const [first] = worker.periods;
  if (first === undefined) throw new Error('no period');
  worker.relay.loseSession();
  await until(async () => (await worker.sumOf('peerFailures')) >= 2);
  expect(await worker.sumOf('peerOutages')).toBe(1);
  worker.change({ state: session.SessionState.ENDED, periods: [{ ...first, lastK: FIRST_K + 3 }] });
  expect(await worker.finished()).toBe('session-ended');
  expect(worker.sink.window.rowsOf('source').map(({ isGap }) => isGap)).toEqual([false, false, false, true]);
  expect(await worker.sumOf('peerOutages')).toBe(0);
});

test('a new worker completes a rendition that is a period behind the others', async () => {
  const worker = await sourceWorker(4);
  worker.relay.endPeriod();
  await worker.addPeriod({ seconds: 4 }, FIRST_K + 4);
  worker.relay.endSession();
  expect(await worker.finished()).toBe('session-ended');
  const whole = structuredClone(worker.sink.window.rowsOf('audio'));
  // All that the packagers still have of the audio when the next worker says hello.
  worker.sink.window.rows.get('audio')?.splice(1);
  worker.start();
  expect(await worker.finished()).toBe('session-ended');
  expect(worker.sink.window.rowsOf('audio')).toEqual(whole);
  expect(worker.eventsOf('TranscoderRestarted')).toEqual([]);
}, 30_000);

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve));
}

test('an access unit that is not what it says is left out and counted; the rest goes on', async () => {
  const worker = (harness = new WorkerHarness());
  await worker.addPeriod({ seconds: 6 });
  worker.relay.onFragments = (fragments) =>
    fragments.flatMap((fragment, index) => {
      const { dts, data } = fragment;
      if (index !== 30) return [fragment];
      return [{ ...fragment, dts: dts + 1 }, { ...fragment, data: data.subarray(0, 20) }, fragment, fragment];
    });
  worker.start();
  worker.relay.endSession();
  expect(await worker.finished()).toBe('session-ended');
  for (const id of ['180p', '90p', 'audio'])
    expect(worker.sink.window.rowsOf(id).map(({ isGap }) => isGap)).toEqual([false, false, false]);
  expect(worker.eventsOf('TranscoderRestarted')).toEqual([]);
  expect((await worker.metrics.droppedInput.get()).values).toEqual([
    { labels: { reason: 'malformed' }, value: 2 },
    { labels: { reason: 'order' }, value: 1 },
  ]);
}, 30_000);
