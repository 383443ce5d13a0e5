import { afterEach, describe, expect, test } from '@jest/globals';
import { readServed } from './testing/served-media.ts';
import { presentationOf, START_TICKS, WorkerHarness } from './testing/worker-harness.ts';

const MAX_QUEUED_BYTES = 1_000_000;
let harness: WorkerHarness | undefined;
afterEach(() => harness?.stop());

async function liveWorker(maxQueuedBytes: number, isVariableFrameRate = false): Promise<WorkerHarness> {
  const worker = (harness = new WorkerHarness(presentationOf({ isVariableFrameRate }), {
    ffmpeg: { maxQueuedBytes },
  }));
  await worker.addPeriod({ seconds: 8 });
  return worker;
}

describe('maxQueuedBytes', () => {
  test('no more is read from the ring while ffmpeg has more than that to read, and nothing is missing after it', async () => {
    const worker = await liveWorker(MAX_QUEUED_BYTES);
    let queuedBytes = MAX_QUEUED_BYTES;
    let messages = 0;
    const written: (() => void)[] = [];
    const drained = Promise.withResolvers<void>();
    worker.relay.onFragments = (fragments) => {
      messages += 1;
      return [...fragments];
    };
    worker.onStart = (transcoder) => {
      const write = transcoder.write.bind(transcoder);
      Object.defineProperty(transcoder, 'queuedBytes', { get: () => queuedBytes });
      transcoder.drained = () => drained.promise;
      transcoder.write = (fragments) => {
        write(fragments);
        written.shift()?.();
      };
    };
    /** Lets media arrive; resolves when it was written to ffmpeg. */
    const arrive = (seconds: number): Promise<void> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      written.push(resolve);
      worker.relay.arriveUntil(seconds);
      return promise;
    };
    worker.start();
    await arrive(1);
    // As much as may wait does.
    await arrive(2);
    queuedBytes += 1;
    await arrive(3);
    const before = messages;
    worker.relay.arriveUntil(5);
    // A message that nobody reads is never made: all there was to do is done.
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    worker.relay.arriveUntil(6);
    expect(messages).toBe(before);
    queuedBytes = 0;
    drained.resolve();
    worker.relay.endSession();
    expect(await worker.finished()).toBe('session-ended');
    expect(messages).toBe(before + 1);
    expect(readServed(worker.sink, '180p')).toMatchObject({ firstDts: START_TICKS, holes: [] });
    expect(worker.sink.window.rowsOf('180p').map(({ isGap }) => isGap)).toEqual([false, false, false, false]);
    expect(worker.eventsOf('TranscoderRestarted')).toEqual([]);
  }, 30_000);

  test('input that gives no place to begin is not kept beyond that: a restart, which is told and counted', async () => {
    const worker = await liveWorker(10, true);
    worker.start();
    worker.relay.arriveUntil(3.5);
    // In the middle of a segment: where it goes on depends on the pictures that come.
    await worker.sink.until(() => worker.sink.parts.length >= 3);
    worker.transcoder.kill();
    await worker.until(() => worker.eventsOf('TranscoderRestarted').length >= 2);
    expect(worker.eventsOf('TranscoderRestarted')[1]).toMatchObject({
      reason: 'assertion',
      detail: 'no picture at the resume point',
    });
    expect(await worker.sumOf('restarts')).toBeGreaterThanOrEqual(2);
  }, 30_000);
});
