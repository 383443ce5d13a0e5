import { afterEach, describe, expect, test } from '@jest/globals';
import type { segmentIndex } from '@millrace/contracts';
import { FIRST_K, PackagerHarness } from './testing/packager-harness.ts';
import { part } from './testing/synthetic-parts.ts';

let harness: PackagerHarness | undefined;

async function start(options?: Parameters<typeof PackagerHarness.start>[0]): Promise<PackagerHarness> {
  harness = await PackagerHarness.start(options);
  return harness;
}

afterEach(async () => {
  await harness?.stop();
  harness = undefined;
});

function watch(
  packager: PackagerHarness,
  options: { readonly sessionId?: string; readonly signal?: AbortSignal } = {},
): AsyncIterator<segmentIndex.WatchResponse> {
  const { sessionId = packager.sessionId, signal = new AbortController().signal } = options;
  const responses = packager.packager.index.watch({ sessionId }, signal);
  return responses[Symbol.asyncIterator]();
}

function keys(result: IteratorResult<segmentIndex.WatchResponse>): string[] {
  return result.done === true
    ? ['done']
    : result.value.rows.map((row) => `${row.renditionId} ${row.k - FIRST_K}`);
}

describe('a watcher of the segment index', () => {
  test('gets the window first, then each row as it is completed', async () => {
    const packager = await start();
    const stream = await packager.publish(7, ['720p', 'audio']);
    const rows = watch(packager);
    const window = ['720p', 'audio'].flatMap((id) => [1, 2, 3, 4, 5, 6].map((index) => `${id} ${index}`));
    expect(keys(await rows.next())).toEqual(window);
    const next = rows.next();
    await stream.publishPart(part('audio', FIRST_K + 7, 0));
    await stream.publishPart(part('audio', FIRST_K + 7, 1));
    expect(keys(await next)).toEqual(['audio 7']);
    await packager.publishSegment(stream, FIRST_K + 7, ['720p']);
    await packager.publishSegment(stream, FIRST_K + 8, ['720p']);
    expect(keys(await rows.next())).toEqual(['720p 7', '720p 8']);
  });

  test('waits for a session that nobody knows yet', async () => {
    const packager = await start();
    const rows = watch(packager, { sessionId: 'later' });
    const first = rows.next();
    const hello = { sessionId: 'later', leaseToken: 1, from: { k: FIRST_K, part: 0 } };
    const stream = await packager.packager.sink.open(hello, new AbortController().signal);
    await packager.publishSegment(stream, FIRST_K, ['720p']);
    expect(keys(await first)).toEqual(['720p 0']);
  });

  test('ends with the session, after its last row', async () => {
    const packager = await start();
    const stream = await packager.publish(1, ['720p']);
    const rows = watch(packager);
    await rows.next();
    await packager.publishSegment(stream, FIRST_K + 1, ['720p']);
    stream.close();
    await packager.end();
    expect(keys(await rows.next())).toEqual(['720p 1']);
    expect(keys(await rows.next())).toEqual(['done']);
  });

  test('ends when it is told to, and when the packager stops', async () => {
    const packager = await start();
    const abort = new AbortController();
    const aborted = watch(packager, { signal: abort.signal }).next();
    const stopped = watch(packager).next();
    await packager.until(async () => (await packager.metric('millrace_packager_waiters')) === 2);
    abort.abort();
    expect(keys(await aborted)).toEqual(['done']);
    await packager.packager.stop(1000);
    expect(keys(await stopped)).toEqual(['done']);
  });
});
