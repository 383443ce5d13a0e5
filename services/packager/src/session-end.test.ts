import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { FIRST_K, PackagerHarness } from './testing/packager-harness.ts';
import { part } from './testing/synthetic-parts.ts';

const RENDITIONS = ['720p', '360p', 'audio'];
const END_GRACE_MS = 10_000;

let harness: PackagerHarness | undefined;

async function start(): Promise<PackagerHarness> {
  harness = await PackagerHarness.start();
  return harness;
}

afterEach(async () => {
  jest.useRealTimers();
  await harness?.stop();
  harness = undefined;
});

async function hasEndlist(origin: PackagerHarness): Promise<boolean> {
  return (await origin.get('720p/index.m3u8')).body.includes('#EXT-X-ENDLIST');
}

describe('when the record of a session has ended', () => {
  test('ENDLIST comes with the last row that the record names, although the worker’s stream is open', async () => {
    const origin = await start();
    const stream = await origin.publish(1);
    await origin.end(FIRST_K + 1);
    await origin.publishSegment(stream, FIRST_K + 1, ['720p', '360p']);
    expect(await hasEndlist(origin)).toBe(false);
    await origin.publishSegment(stream, FIRST_K + 1, ['audio']);
    expect(await hasEndlist(origin)).toBe(true);
    await expect(stream.publishPart(part('720p', FIRST_K + 2, 0))).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      id: 'PACKAGER_SESSION_ENDED',
    });
    expect((await origin.get(`720p/${FIRST_K + 2}.m4s`)).status).toBe(404);
  });

  test('a worker that lost its stream, or the next one, may bring the rows that are missing', async () => {
    const origin = await start();
    const stream = await origin.publish(1);
    await origin.end(FIRST_K + 1);
    stream.close();
    expect(await hasEndlist(origin)).toBe(false);
    const next = await origin.open(2, { k: FIRST_K + 1, part: 0 });
    await origin.publishSegment(next, FIRST_K + 1, RENDITIONS);
    expect(await hasEndlist(origin)).toBe(true);
    expect((await origin.get(`720p/${FIRST_K + 1}.m4s`)).status).toBe(200);
  });

  test('rows that never come are waited for 10 s; then ENDLIST stands and nothing may follow it', async () => {
    const origin = await start();
    const stream = await origin.publish(1);
    // Only the timers that are set from here on: that of the end.
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance', 'Date'] });
    await origin.end(FIRST_K + 1);
    jest.advanceTimersByTime(END_GRACE_MS - 1);
    expect(await hasEndlist(origin)).toBe(false);
    jest.advanceTimersByTime(1);
    jest.useRealTimers();
    const ended = await origin.get('720p/index.m3u8');
    expect(ended.body.toString()).toContain('#EXT-X-ENDLIST');
    await expect(stream.publishPart(part('720p', FIRST_K + 1, 0))).rejects.toMatchObject({
      id: 'PACKAGER_SESSION_ENDED',
    });
    await expect(origin.open(2)).rejects.toMatchObject({ id: 'PACKAGER_SESSION_ENDED' });
    expect((await origin.get('720p/index.m3u8')).headers.etag).toBe(ended.headers.etag);
  });
});
