import { afterEach, describe, expect, test } from '@jest/globals';
import { session } from '@millrace/contracts';
import type { relay } from '@millrace/contracts';
import { marshalFragment } from '@millrace/media';
import { audioRendition, videoRendition } from './testing/renditions.ts';
import { decodeServed, readServed } from './testing/served-media.ts';
import { FIRST_K, presentationOf, START_TICKS, WorkerHarness } from './testing/worker-harness.ts';

const RENDITIONS = ['180p', '90p', 'audio'];
let harness: WorkerHarness | undefined;
afterEach(async () => {
  harness?.relay.pause();
  await harness?.stop();
});

async function liveWorker(
  seconds: number,
  ...options: ConstructorParameters<typeof WorkerHarness>
): Promise<WorkerHarness> {
  const worker = (harness = new WorkerHarness(...options));
  await worker.addPeriod({ seconds, bFrames: 2 });
  worker.start();
  return worker;
}

/** Everything up to a number of segments is there, in every rendition, without a gap, a hole or a discontinuity. */
async function expectUnbroken(worker: WorkerHarness, segments: number): Promise<void> {
  for (const id of RENDITIONS) {
    expect(worker.sink.window.rowsOf(id).map(({ k, isGap, period }) => [k - FIRST_K, isGap, period])).toEqual(
      Array.from({ length: segments }, (_, index) => [index, false, 0]),
    );
    expect(worker.sink.parts.filter((part) => part.isGap)).toEqual([]);
    expect(readServed(worker.sink, id)).toMatchObject({ holes: [], dependentSegments: [] });
    expect(await decodeServed(worker.sink, id)).toBe('');
  }
  expect(readServed(worker.sink, '180p')).toMatchObject({
    firstDts: START_TICKS,
    endDts: START_TICKS + segments * 180_000,
    samplesPerSegment: Array.from({ length: segments }, () => 50),
  });
}

describe.each<['SIGKILL' | 'SIGSTOP', string]>([
  ['SIGKILL', 'exit'],
  ['SIGSTOP', 'stalled'],
])('ffmpeg gets %s', (signal, reason) => {
  test('nothing is missing, nothing is a discontinuity', async () => {
    const worker = await liveWorker(10, presentationOf(), { watchdog: { stallMs: 300 } });
    worker.relay.play();
    // In the middle of a segment, with one part of it published.
    await worker.sink.until(() => worker.sink.window.rowsOf('180p').length >= 2);
    const hit = worker.transcoder;
    process.kill(hit.pid ?? 0, signal);
    await worker.sink.until(() => worker.sink.window.rowsOf('90p').length >= 4);
    worker.relay.endSession();
    expect(await worker.finished()).toBe('session-ended');
    await expectUnbroken(worker, 5);
    expect(worker.eventsOf('TranscoderRestarted').map((event) => event.reason)).toEqual([reason]);
    expect(worker.transcoders).toHaveLength(2);
    expect(isAlive(hit.pid)).toBe(false);
  }, 30_000);
});

test('a new worker goes on where the rows end', async () => {
  const worker = await liveWorker(8);
  worker.relay.play();
  await worker.sink.until(() => worker.sink.window.rowsOf('180p').length >= 2);
  await worker.stop();
  expect(isAlive(worker.transcoder.pid)).toBe(false);
  worker.start();
  await worker.sink.until(() => worker.sink.window.rowsOf('180p').length >= 3);
  worker.relay.endSession();
  expect(await worker.finished()).toBe('session-ended');
  await expectUnbroken(worker, 4);
}, 30_000);

test('under quality, a segment that was not finished is made again whole', async () => {
  const worker = await liveWorker(8, presentationOf({ preset: session.Preset.QUALITY }));
  worker.relay.play(4);
  await worker.sink.until(() => worker.sink.window.rowsOf('180p').length >= 1);
  process.kill(worker.transcoder.pid ?? 0, 'SIGKILL');
  await worker.until(() => worker.eventsOf('TranscoderRestarted').length >= 1);
  worker.relay.endSession();
  expect(await worker.finished()).toBe('session-ended');
  await expectUnbroken(worker, 4);
  // An IDR within a segment would be where the second run began.
  for (const { parts } of worker.sink.window.rowsOf('180p'))
    expect(parts.map(({ isIndependent }) => isIndependent)).toEqual([true, false]);
  expect(worker.transcoders).toHaveLength(2);
}, 30_000);

test('what an ingest had sent that is gone for good is published to the last frame', async () => {
  const worker = await liveWorker(8);
  let pictures = 0;
  worker.relay.onFragments = (fragments) => {
    pictures += fragments.filter(({ trackId }) => trackId === 1).length;
    return [...fragments];
  };
  worker.relay.arriveUntil(5);
  await worker.sink.until(() => worker.sink.window.rowsOf('180p').length >= 2);
  worker.relay.loseSession();
  worker.change({ state: session.SessionState.ENDED });
  expect(await worker.finished()).toBe('session-ended');
  for (const id of RENDITIONS)
    expect(worker.sink.window.rowsOf(id).map(({ isGap }) => isGap)).toEqual([false, false, false]);
  // The last picture that came may be one that two B-frames before it were still to follow: its place is kept.
  const [, , last = 0] = readServed(worker.sink, '180p').samplesPerSegment;
  expect(last - (pictures - 100)).toBeGreaterThanOrEqual(0);
  expect(last - (pictures - 100)).toBeLessThanOrEqual(2);
  expect(pictures).toBeGreaterThan(110);
}, 30_000);

describe('a period that cannot be continued is left for a new one', () => {
  async function expectNewPeriod(worker: WorkerHarness, reason: string): Promise<void> {
    expect(await worker.finished()).toBe('session-ended');
    expect(worker.relay.openPeriodRequests.map((request) => request.reason)).toEqual([reason]);
    const numbers = worker.sink.window.rowsOf('180p').map(({ msn }) => msn);
    for (const id of RENDITIONS) {
      const rows = worker.sink.window.rowsOf(id);
      expect(rows.map(({ msn }) => msn)).toEqual(numbers);
      expect(
        rows
          .filter(({ period }) => period === 1)
          .map(({ k, discontinuitySequence, isGap }) => [k - FIRST_K, discontinuitySequence, isGap]),
      ).toEqual([
        [6, 1, false],
        [7, 1, false],
      ]);
      expect(readServed(worker.sink, id, 1)).toMatchObject({ holes: [], dependentSegments: [] });
      expect(await decodeServed(worker.sink, id, 1)).toBe('');
    }
    expect(readServed(worker.sink, '180p', 1).samplesPerSegment).toEqual([50, 50]);
  }

  /** Ingest opens the next period when it is asked to; resolves when its media is there. */
  function nextPeriod(worker: WorkerHarness): Promise<unknown> {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    worker.relay.onOpenPeriod = () => resolve(worker.addPeriod({ seconds: 4 }, FIRST_K + 6));
    return promise;
  }

  test('ingest no longer holds the resume point', async () => {
    const worker = await liveWorker(8);
    const opened = nextPeriod(worker);
    worker.relay.arriveUntil(4);
    await worker.sink.until(() => worker.sink.window.rowsOf('180p').length >= 1);
    worker.relay.lag();
    await opened;
    worker.relay.endSession();
    await expectNewPeriod(worker, 'ingest no longer holds the resume point');
    expect(worker.sink.window.rowsOf('180p')[0]).toMatchObject({ k: FIRST_K, period: 0, isComplete: true });
  }, 30_000);

  test('another build of ffmpeg fixed the init segment', async () => {
    const worker = await liveWorker(4);
    worker.sink.window.inits.push({ renditionId: '180p', period: 0, data: Buffer.from('another build') });
    await worker.stop();
    worker.start();
    const opened = nextPeriod(worker);
    worker.relay.arriveUntil(4);
    await opened;
    worker.relay.endSession();
    await expectNewPeriod(worker, 'the init segment of 180p differs');
    const before = worker.sink.window.rowsOf('180p').filter(({ period }) => period === 0);
    expect(before.every(({ isGap }) => isGap)).toBe(true);
  }, 30_000);
});

test('media that ends ffmpeg again and again costs its segment, not the session', async () => {
  const worker = await liveWorker(8);
  // Every run until the first segment is over dies at once.
  worker.onStart = (transcoder) => {
    if (worker.transcoders.length <= 4) process.kill(transcoder.pid ?? 0, 'SIGKILL');
  };
  worker.relay.endSession();
  expect(await worker.finished()).toBe('session-ended');
  expect(worker.sink.window.rowsOf('180p').map(({ isGap }) => isGap)).toEqual([true, false, false, false]);
  expect(worker.eventsOf('TranscoderRestarted')).toHaveLength(4);
}, 30_000);

test('pictures that nobody can decode cost their segments, although the sound goes on, and the picture comes back', async () => {
  const worker = await liveWorker(16, presentationOf(), {
    watchdog: { startMs: 500, stallMs: 300 },
    // What is behind is made up for; no rung is to go for that.
    lateness: { shedAboveSegments: 100 },
  });
  const goodFrom = START_TICKS + 6 * 90_000;
  worker.relay.onFragments = (fragments) =>
    fragments.map((fragment) =>
      fragment.trackId === 1 && fragment.dts < goodFrom ? undecodable(fragment) : fragment,
    );
  worker.relay.play();
  await worker.sink.until(() => worker.sink.window.rowsOf('180p').some(({ isGap }) => !isGap));
  worker.relay.endSession();
  expect(await worker.finished()).toBe('session-ended');
  for (const id of ['180p', '90p']) {
    const gaps = worker.sink.window.rowsOf(id).map(({ isGap }) => isGap);
    expect(gaps).toHaveLength(8);
    expect(gaps.slice(0, 3)).toEqual([true, true, true]);
    expect(gaps.at(-1)).toBe(false);
  }
  expect(worker.sink.window.rowsOf('audio').map(({ isGap }) => isGap)).toEqual(
    Array.from({ length: 8 }, () => false),
  );
  expect(readServed(worker.sink, 'audio').holes).toEqual([]);
}, 60_000);

/** The same picture with slices that say nothing. */
function undecodable(fragment: relay.Fragment): relay.Fragment {
  const { trackId, dts, duration, compositionOffset, isRandomAccess: isSync } = fragment;
  const nal = Buffer.alloc(404, 0xff);
  nal.writeUInt32BE(400);
  nal[4] = isSync ? 0x65 : 0x41;
  const samples = [{ duration, compositionOffset, isSync, data: nal }];
  return { ...fragment, data: marshalFragment({ trackId, baseMediaDecodeTime: dts, samples }, 0) };
}

test('an ffmpeg that cannot be started is a restart, with its reason', async () => {
  const worker = await liveWorker(2, presentationOf(), { ffmpeg: { path: '/nonexistent/ffmpeg' } });
  await worker.until(() => worker.eventsOf('TranscoderRestarted').length >= 2);
  expect(worker.eventsOf('TranscoderRestarted')[0]?.detail).toContain('ENOENT');
  await worker.stop();
}, 30_000);

describe('the source rung', () => {
  const source = videoRendition({ id: 'source', isPassthrough: true, width: 320, height: 180 });
  const alone = presentationOf({
    renditions: [source, audioRendition({ isPassthrough: true })],
  });

  test('alone it needs no ffmpeg, and cuts at its own IDRs', async () => {
    const worker = await liveWorker(6, alone);
    worker.relay.endSession();
    expect(await worker.finished()).toBe('session-ended');
    expect(worker.transcoders).toEqual([]);
    expect(readServed(worker.sink, 'source')).toMatchObject({
      samplesPerSegment: [50, 50, 50],
      holes: [],
      dependentSegments: [],
    });
    expect(await decodeServed(worker.sink, 'source')).toBe('');
    expect(await decodeServed(worker.sink, 'audio')).toBe('');
  }, 30_000);

  test('a boundary without an IDR is a gap row, with the interval to set, beside whole encoded rungs', async () => {
    const worker = (harness = new WorkerHarness(
      presentationOf({ renditions: [source, videoRendition(), audioRendition()] }),
    ));
    await worker.addPeriod({ seconds: 8, gopFrames: 75 });
    worker.start();
    worker.relay.endSession();
    expect(await worker.finished()).toBe('session-ended');
    expect(worker.sink.window.rowsOf('source').map(({ isGap }) => isGap)).toEqual([false, true, true, false]);
    expect(worker.sink.window.rowsOf('180p').map(({ isGap }) => isGap)).toEqual([false, false, false, false]);
    expect(worker.eventsOf('SourceBoundaryMissed')).toMatchObject([
      { k: FIRST_K + 1, keyframeIntervalSeconds: 2 },
      { k: FIRST_K + 2, keyframeIntervalSeconds: 2 },
    ]);
    expect(worker.transcoders).toHaveLength(1);
  }, 30_000);
});

test('an encoder slower than real time loses its largest rung for a while, and nothing else', async () => {
  const worker = await liveWorker(60, presentationOf(), {
    watchdog: { stallMs: 5000 },
    lateness: { shedAboveSegments: 0.5, restoreAfterSeconds: 1 },
  });
  worker.relay.play(4);
  await worker.sink.until(() => worker.sink.window.rowsOf('180p').length >= 2);
  const slowing = setInterval(() => {
    signalTranscoder(worker, 'SIGSTOP');
    setTimeout(() => signalTranscoder(worker, 'SIGCONT'), 900);
  }, 1000);
  try {
    await worker.until(() => worker.eventsOf('RungShed').length >= 1);
  } finally {
    clearInterval(slowing);
  }
  await worker.until(() => worker.eventsOf('RungShed').length >= 2);
  await worker.sink.until(() => worker.sink.window.rowsOf('180p').at(-1)?.isGap === false);
  worker.relay.endSession();
  expect(await worker.finished()).toBe('session-ended');
  expect(worker.eventsOf('RungShed')).toMatchObject([
    { renditionId: '180p', isShed: true },
    { renditionId: '180p', isShed: false },
  ]);
  const gaps = worker.sink.window.rowsOf('180p').map(({ isGap }) => isGap);
  expect(gaps).toContain(true);
  expect(gaps.at(-1)).toBe(false);
  for (const row of worker.sink.window.rowsOf('180p'))
    expect(row.parts.every(({ isGap }) => isGap === row.isGap)).toBe(true);
  for (const id of ['90p', 'audio'])
    expect(readServed(worker.sink, id)).toMatchObject({ holes: [], dependentSegments: [] });
  expect(worker.sink.window.rowsOf('90p').some(({ isGap }) => isGap)).toBe(false);
}, 60_000);

function signalTranscoder(worker: WorkerHarness, signal: NodeJS.Signals): void {
  const { pid } = worker.transcoder;
  if (isAlive(pid)) process.kill(pid ?? 0, signal);
}

function isAlive(pid: number | undefined): boolean {
  try {
    return pid !== undefined && process.kill(pid, 0);
  } catch {
    return false;
  }
}
