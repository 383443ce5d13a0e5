import { expect, test } from '@jest/globals';
import { PackagerHarness } from './testing/packager-harness.ts';

// What every segment index does is in the contract suite (ports.test.ts); this is what stopping this one does.
test('readers of the segment index are let go when the packager stops, and hold no place until then', async () => {
  const harness = await PackagerHarness.start();
  const { index } = harness.packager;
  const abort = new AbortController();
  const next = (signal: AbortSignal): Promise<IteratorResult<unknown>> =>
    index.watch({ sessionId: harness.sessionId, withParts: false }, signal)[Symbol.asyncIterator]().next();
  const waiters = (): Promise<number> => harness.metric('millrace_packager_index_readers');
  try {
    const aborted = next(abort.signal);
    const stopped = next(new AbortController().signal);
    await harness.until(async () => (await waiters()) === 2);
    abort.abort();
    expect((await aborted).done).toBe(true);
    expect(await waiters()).toBe(1);
    await harness.packager.stop(1000);
    expect((await stopped).done).toBe(true);
    expect(await waiters()).toBe(0);
  } finally {
    await harness.stop();
  }
});
