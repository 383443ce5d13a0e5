import { afterEach, describe, expect, test } from '@jest/globals';
import type { segmentIndex, sink } from '@millrace/contracts';
import type { SinkStream } from '@millrace/runtime';
import { FIRST_K, PackagerHarness } from './testing/packager-harness.ts';
import type { Answer } from './testing/http-get.ts';
import { gapPart, initSegment, part } from './testing/synthetic-parts.ts';

let harness: PackagerHarness | undefined;

afterEach(async () => {
  await harness?.stop();
  harness = undefined;
});

/** Two sessions of one packager, each with its first segments of 720p. */
interface Pair {
  readonly packager: PackagerHarness;
  /** The one that goes over a limit. */
  readonly stream: SinkStream;
  readonly other: SinkStream;
  readonly otherId: string;
}

const INIT_BYTES = initSegment('720p').data.length;
const PART_BYTES = part('720p', FIRST_K, 0).data.length;
const SEGMENT_BYTES = PART_BYTES + part('720p', FIRST_K, 1).data.length;
/** What a session holds after one segment. */
const SESSION_BYTES = INIT_BYTES + SEGMENT_BYTES;

async function startPair(
  config: NonNullable<Parameters<typeof PackagerHarness.start>[0]>['config'] = {},
  segments = 1,
): Promise<Pair> {
  const packager = await PackagerHarness.start({ config });
  harness = packager;
  const otherId = await packager.addSession('other');
  const stream = await packager.publish(segments, ['720p']);
  const other = await packager.publish(1, ['720p'], otherId);
  return { packager, stream, other, otherId };
}

function read(packager: PackagerHarness, sessionId: string): AsyncIterator<segmentIndex.WatchResponse> {
  const watched = packager.packager.index.watch(
    { sessionId, withParts: false },
    new AbortController().signal,
  );
  return watched[Symbol.asyncIterator]();
}

function refusals(packager: PackagerHarness, reason: string): Promise<number> {
  return packager.metric('millrace_packager_refusals_total', { reason });
}

/** The other session goes on: its next segment is taken and served, whole. */
async function expectToGoOn({ packager, other, otherId }: Pair): Promise<void> {
  await packager.publishSegment(other, FIRST_K + 1, ['720p']);
  const served = await packager.getPath(`/media/${otherId}/720p/${FIRST_K + 1}.m4s`);
  expect(served.status).toBe(200);
  expect(served.body.length).toBe(SEGMENT_BYTES);
}

describe('memory', () => {
  test('a session beyond its share is refused, another one goes on', async () => {
    const pair = await startPair({ memory: { maxSessionBytes: SESSION_BYTES + SEGMENT_BYTES } }, 2);
    const { packager, stream } = pair;
    await expect(stream.publishPart(part('720p', FIRST_K + 2, 0))).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      id: 'PACKAGER_MEMORY',
      details: { sessionId: packager.sessionId },
    });
    expect(await refusals(packager, 'memory')).toBe(1);
    await expectToGoOn(pair);
    // What was held is served, and what costs nothing is taken.
    expect((await packager.get(`720p/${FIRST_K + 1}.m4s`)).status).toBe(200);
    await stream.publishPart(gapPart('720p', FIRST_K + 2, 0));
    expect(await refusals(packager, 'memory')).toBe(1);
  });

  test('an init segment counts', async () => {
    const pair = await startPair({ memory: { maxSessionBytes: SESSION_BYTES + SEGMENT_BYTES } }, 2);
    await expect(pair.stream.publishInit(initSegment('360p'))).rejects.toMatchObject({
      id: 'PACKAGER_MEMORY',
    });
    expect(await refusals(pair.packager, 'memory')).toBe(1);
    await expectToGoOn(pair);
  });

  test('when all of it is taken every session is refused, what is held is served, and what one leaves another takes', async () => {
    const pair = await startPair({ memory: { maxTotalBytes: 2 * SESSION_BYTES + PART_BYTES } });
    const { packager, stream, other, otherId } = pair;
    await stream.publishPart(part('720p', FIRST_K + 1, 0));
    await expect(other.publishPart(part('720p', FIRST_K + 1, 0))).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      id: 'PACKAGER_MEMORY',
    });
    expect(await refusals(packager, 'memory')).toBe(1);
    expect(await packager.metric('millrace_packager_media_bytes')).toBe(2 * SESSION_BYTES + PART_BYTES);
    for (const path of [packager.path(''), `/media/${otherId}/`])
      expect((await packager.getPath(`${path}720p/${FIRST_K}.m4s`)).status).toBe(200);
    // All of it is listed, so that time makes no room. Gaps cost nothing, and as the window goes on over them its media leaves it.
    packager.clock.advance(60_000);
    await expect(other.publishPart(part('720p', FIRST_K + 1, 0))).rejects.toMatchObject({
      id: 'PACKAGER_MEMORY',
    });
    await stream.publishPart(gapPart('720p', FIRST_K + 1, 1));
    for (let k = FIRST_K + 2; k < FIRST_K + 20; k += 1) {
      packager.clock.advance(2000);
      for (const index of [0, 1]) await stream.publishPart(gapPart('720p', k, index));
    }
    await expectToGoOn(pair);
  });

  /** Six segments are listed. The others slid out, and have their time by H-8: one segment and one window. */
  const HELD_SEGMENTS = 9;
  const STAY_MS = 2000 + 12_000;

  test('a session that was refused goes on by itself once the time of what slid out is over (H-8)', async () => {
    const maxSessionBytes = INIT_BYTES + HELD_SEGMENTS * SEGMENT_BYTES;
    const { packager, stream } = await startPair({ memory: { maxSessionBytes } }, HELD_SEGMENTS);
    const k = FIRST_K + HELD_SEGMENTS;
    packager.clock.advance(STAY_MS - 1);
    await expect(stream.publishPart(part('720p', k, 0))).rejects.toMatchObject({ id: 'PACKAGER_MEMORY' });
    expect((await packager.get(`720p/${FIRST_K}.m4s`)).status).toBe(200);
    packager.clock.advance(1);
    await packager.publishSegment(stream, k, ['720p']);
    expect((await packager.get(`720p/${k}.m4s`)).status).toBe(200);
    expect((await packager.get(`720p/${FIRST_K}.m4s`)).status).toBe(410);
    expect(await refusals(packager, 'memory')).toBe(1);
  });

  test('what a session that stands still may let go of makes room for another one (H-8)', async () => {
    const maxTotalBytes = 2 * INIT_BYTES + (HELD_SEGMENTS + 1) * SEGMENT_BYTES;
    const pair = await startPair({ memory: { maxTotalBytes } }, HELD_SEGMENTS);
    const { packager, other } = pair;
    await expect(other.publishPart(part('720p', FIRST_K + 1, 0))).rejects.toMatchObject({
      id: 'PACKAGER_MEMORY',
    });
    packager.clock.advance(STAY_MS);
    await expectToGoOn(pair);
    expect(await refusals(packager, 'memory')).toBe(1);
    expect(await packager.metric('millrace_packager_media_bytes')).toBe(2 * INIT_BYTES + 8 * SEGMENT_BYTES);
  });
});

describe('of one session', () => {
  const overLimits: readonly [
    name: string,
    limits: Readonly<Record<string, number>>,
    refused: { readonly part: sink.Part } | { readonly init: sink.InitSegment },
    reason: 'limit' | 'invalid',
    code: string,
  ][] = [
    [
      'maxRenditions: one rendition more, by its part',
      { maxRenditions: 1 },
      { part: part('360p', FIRST_K, 0) },
      'limit',
      'RESOURCE_EXHAUSTED',
    ],
    [
      'maxRenditions: one rendition more, by its init segment',
      { maxRenditions: 1 },
      { init: initSegment('360p') },
      'limit',
      'RESOURCE_EXHAUSTED',
    ],
    [
      'maxPartBytes: one byte more',
      { maxPartBytes: PART_BYTES },
      { part: part('720p', FIRST_K + 1, 0, { data: Buffer.alloc(PART_BYTES + 1) }) },
      'invalid',
      'INVALID_ARGUMENT',
    ],
    [
      'maxInitBytes: one byte more',
      { maxInitBytes: INIT_BYTES },
      { init: { ...initSegment('720p', 1), data: Buffer.alloc(INIT_BYTES + 1) } },
      'invalid',
      'INVALID_ARGUMENT',
    ],
  ];

  test.each(overLimits)(
    '%s is refused with its reason, counted, and costs nobody anything',
    async (_, limits, refused, reason, code) => {
      const pair = await startPair({ limits });
      const { packager, stream } = pair;
      const bytes = await packager.metric('millrace_packager_media_bytes');
      const published =
        'part' in refused ? stream.publishPart(refused.part) : stream.publishInit(refused.init);
      await expect(published).rejects.toMatchObject({ code, id: `PACKAGER_${reason.toUpperCase()}` });
      expect(await refusals(packager, reason)).toBe(1);
      expect(await packager.metric('millrace_packager_refusals_total')).toBe(1);
      expect(await packager.metric('millrace_packager_media_bytes')).toBe(bytes);
      await expectToGoOn(pair);
      // The session itself goes on as well: only this was too much.
      await packager.publishSegment(stream, FIRST_K + 1, ['720p']);
      expect((await packager.get(`720p/${FIRST_K + 1}.m4s`)).status).toBe(200);
    },
  );
});

describe('of all sessions', () => {
  test('maxSessions: the hello of one session more is refused, counted, and the others go on', async () => {
    const pair = await startPair({ limits: { maxSessions: 2 } });
    const { packager } = pair;
    const third = await packager.addSession('third');
    // Said once for the record that came, and each time for a worker's hello.
    expect(await refusals(packager, 'limit')).toBe(1);
    await expect(packager.open(1, { k: FIRST_K, part: 0 }, third)).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      id: 'PACKAGER_LIMIT',
    });
    expect(await refusals(packager, 'limit')).toBe(2);
    expect(await packager.metric('millrace_packager_sessions')).toBe(2);
    await expectToGoOn(pair);
  });

  test('maxWaiters: one request and one reader more are refused, the held ones get what they wait for', async () => {
    // Readers of the segment index have places of their own, whatever viewers take, and the other way round.
    const pair = await startPair({ limits: { maxWaiters: 2, maxIndexReaders: 1 } });
    const { packager, otherId } = pair;
    const path = `/media/${otherId}/720p/${FIRST_K + 1}.m4s`;
    const held: Promise<Answer>[] = [packager.getPath(path), packager.getPath(path)];
    await packager.until(async () => (await packager.metric('millrace_packager_waiters')) === 2);
    const refused = await packager.get(`720p/${FIRST_K + 1}.m4s`);
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1']);
    expect(
      await packager.metric('millrace_packager_responses_total', { object: 'segment', status: '503' }),
    ).toBe(1);
    const reader = read(packager, otherId);
    const surplus = read(packager, packager.sessionId);
    // What there is comes at once; a wait for more needs a place.
    expect((await reader.next()).value?.rows).toMatchObject([{ k: FIRST_K }]);
    expect((await surplus.next()).done).toBe(false);
    const rows = reader.next();
    await packager.until(async () => (await packager.metric('millrace_packager_index_readers')) === 1);
    await expect(surplus.next()).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED', id: 'PACKAGER_LIMIT' });
    expect(await packager.metric('millrace_packager_waiters')).toBe(2);
    await expectToGoOn(pair);
    expect((await rows).value?.rows).toMatchObject([{ k: FIRST_K + 1 }]);
    expect((await Promise.all(held)).map(({ status }) => status)).toEqual([200, 200]);
    expect(await packager.metric('millrace_packager_waiters')).toBe(0);
    expect(await packager.metric('millrace_packager_index_readers')).toBe(0);
  });
});
