import { afterEach, expect, test } from '@jest/globals';
import { FIRST_K, WorkerHarness } from './testing/worker-harness.ts';

let harness: WorkerHarness | undefined;
afterEach(() => harness?.stop());

test('a period in one go: rows equal over renditions, all frames there', async () => {
  const worker = (harness = new WorkerHarness());
  await worker.addPeriod({ seconds: 6, bFrames: 2 });
  worker.start();
  worker.relay.endSession();
  expect(await worker.finished()).toBe('session-ended');
  for (const id of ['180p', '90p', 'audio'])
    expect(worker.sink.window.rowsOf(id).map(({ k, isGap }) => [k - FIRST_K, isGap])).toEqual([
      [0, false],
      [1, false],
      [2, false],
    ]);
  expect(worker.sink.window.rowsOf('180p').map(({ durationTicks }) => durationTicks)).toEqual([
    180_000, 180_000, 180_000,
  ]);
  expect(worker.eventsOf('SegmentPublished').map(({ k }) => k - FIRST_K)).toEqual([0, 1, 2]);
}, 30_000);
