import { afterEach, describe, expect, test } from '@jest/globals';
import { session } from '@millrace/contracts';
import { FIRST_K, PackagerHarness } from './testing/packager-harness.ts';
import { initSegment, part } from './testing/synthetic-parts.ts';

let harness: PackagerHarness | undefined;

async function start(options?: Parameters<typeof PackagerHarness.start>[0]): Promise<PackagerHarness> {
  harness = await PackagerHarness.start(options);
  return harness;
}

afterEach(async () => {
  await harness?.stop();
  harness = undefined;
});

describe('a hello', () => {
  test('to an empty session is answered with nothing', async () => {
    const { reply } = await (await start()).open();
    expect(reply).toEqual({ renditions: [], inits: [] });
  });

  test('brings back the rows, the init segments and the first part that is missing', async () => {
    const packager = await start();
    const stream = await packager.publish(2, ['720p', 'audio']);
    await stream.publishPart(part('720p', FIRST_K + 2, 0));
    stream.close();
    const { reply } = await packager.open(2, { k: FIRST_K + 2, part: 0 });
    const [video, audio] = reply.renditions;
    expect(video?.resume).toEqual({ k: FIRST_K + 2, part: 1 });
    expect(audio?.resume).toEqual({ k: FIRST_K + 2, part: 0 });
    expect(video?.rows.map(({ k, isComplete, parts }) => [k, isComplete, parts.length])).toEqual([
      [FIRST_K, true, 2],
      [FIRST_K + 1, true, 2],
      [FIRST_K + 2, false, 1],
    ]);
    expect(video?.rows[0]).toMatchObject({
      renditionId: '720p',
      msn: FIRST_K,
      discontinuitySequence: 0,
      period: 0,
      baseMediaDecodeTime: FIRST_K * 180_000,
      durationTicks: 180_000,
      utcOffsetUs: 250_000,
      isGap: false,
    });
    expect(reply.inits.map(({ renditionId, period }) => [renditionId, period])).toEqual([
      ['720p', 0],
      ['audio', 0],
    ]);
  });

  test('with a token that another one rules is refused', async () => {
    const packager = await start();
    await packager.open(7);
    await expect(packager.open(6)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      id: 'PACKAGER_TOKEN_STALE',
      details: { rulingToken: 7 },
    });
    expect(await packager.metric('millrace_packager_refusals_total', { reason: 'token-stale' })).toBe(1);
  });
});

describe('a token rules positions, not connections', () => {
  test('the worker before goes on below the position from which the next one rules', async () => {
    const packager = await start();
    const before = await packager.publish(1, ['720p']);
    const after = await packager.open(2, { k: FIRST_K + 2, part: 0 });
    await packager.publishSegment(before, FIRST_K + 1, ['720p']);
    await expect(before.publishPart(part('720p', FIRST_K + 2, 0))).rejects.toMatchObject({
      id: 'PACKAGER_TOKEN_STALE',
    });
    await packager.publishSegment(after, FIRST_K + 2, ['720p']);
    await expect(after.publishPart(part('720p', FIRST_K + 1, 0))).rejects.toMatchObject({
      id: 'PACKAGER_TOKEN_STALE',
    });
  });
});

describe('a part', () => {
  test('that is held is acknowledged and not stored twice, whatever its bytes', async () => {
    const packager = await start();
    const stream = await packager.publish(1, ['720p']);
    const bytes = await packager.metric('millrace_packager_media_bytes');
    await stream.publishPart(part('720p', FIRST_K, 0, { frameBytes: 50 }));
    await stream.publishPart(part('720p', FIRST_K, 1));
    expect(await packager.metric('millrace_packager_media_bytes')).toBe(bytes);
    expect(await packager.metric('millrace_packager_parts_total', { result: 'duplicate' })).toBe(2);
    const kept = (await packager.get(`720p/${FIRST_K}.0.m4s`)).body;
    expect(kept.equals(part('720p', FIRST_K, 0).data)).toBe(true);
  });

  test.each([
    ['another row at a held position', part('720p', FIRST_K, 1, { msn: 5 }), 'CONTRADICTION'],
    ['another duration at a held position', part('720p', FIRST_K, 0, { durationTicks: 1 }), 'CONTRADICTION'],
    ['a number that does not go on', part('720p', FIRST_K + 1, 0, { msn: FIRST_K + 2 }), 'CONTRADICTION'],
    [
      'a discontinuity without a period',
      part('720p', FIRST_K + 1, 0, { discontinuitySequence: 1 }),
      'CONTRADICTION',
    ],
    [
      'a period without a discontinuity',
      part('720p', FIRST_K + 3, 0, { period: 1, msn: FIRST_K + 1 }),
      'CONTRADICTION',
    ],
    ['a K left out in a period', part('720p', FIRST_K + 2, 0, { msn: FIRST_K + 1 }), 'OUT_OF_ORDER'],
    ['a second part first', part('720p', FIRST_K + 1, 1), 'OUT_OF_ORDER'],
    ['no position', { ...part('720p', FIRST_K + 1, 0), position: undefined }, 'INVALID'],
    ['a fraction', part('720p', FIRST_K + 1, 0, { durationTicks: 1.5 }), 'INVALID'],
    ['media in a gap', part('720p', FIRST_K + 1, 0, { isGap: true }), 'INVALID'],
    ['no media and no gap', part('720p', FIRST_K + 1, 0, { data: Buffer.alloc(0) }), 'INVALID'],
    ['a rendition id that is no path', part('a/b', FIRST_K + 1, 0), 'INVALID'],
    ['more than the target duration', part('720p', FIRST_K + 1, 0, { durationTicks: 225_000 }), 'TOO_LONG'],
  ])('with %s is refused, and the next right one is taken', async (_, wrong, id) => {
    const packager = await start();
    const stream = await packager.publish(1, ['720p']);
    await expect(stream.publishPart(wrong)).rejects.toMatchObject({ id: `PACKAGER_${id}` });
    await packager.publishSegment(stream, FIRST_K + 1, ['720p']);
    expect((await packager.get(`720p/${FIRST_K + 1}.m4s`)).status).toBe(200);
  });

  test('of an unfinished segment with B-frames begins it anew, and is not seen before it is complete', async () => {
    const packager = await start({ presentation: { preset: session.Preset.QUALITY } });
    const stream = await packager.publish(1, ['720p']);
    await stream.publishPart(part('720p', FIRST_K + 1, 0));
    expect((await packager.get(`720p/${FIRST_K + 1}.0.m4s`)).status).toBe(404);
    stream.close();
    const next = await packager.open(2, { k: FIRST_K + 1, part: 0 });
    expect(next.reply.renditions[0]?.resume).toEqual({ k: FIRST_K + 1, part: 0 });
    expect(next.reply.renditions[0]?.rows.length).toBe(1);
    const made = [0, 1].map((index) => part('720p', FIRST_K + 1, index, { frameBytes: 70 }));
    for (const again of made) await next.publishPart(again);
    const body = (await packager.get(`720p/${FIRST_K + 1}.m4s`)).body;
    expect(body.equals(Buffer.concat(made.map(({ data }) => data)))).toBe(true);
  });
});

test('the first init segment of a period stays, the same again is taken, another one is refused', async () => {
  const packager = await start();
  const stream = await packager.publish(1, ['720p']);
  await stream.publishInit(initSegment('720p'));
  await expect(stream.publishInit(initSegment('720p', 0, 16))).rejects.toMatchObject({
    id: 'PACKAGER_CONTRADICTION',
  });
  expect((await packager.get('720p/init-0.mp4')).body.equals(initSegment('720p').data)).toBe(true);
});

test('an init segment goes with the last segment of its period and is 410 then', async () => {
  const packager = await start();
  const stream = await packager.publish(1, ['720p']);
  await packager.store.watch(new AbortController().signal)[Symbol.asyncIterator]().next();
  await stream.publishInit(initSegment('720p', 1));
  for (let index = 0; index < 20; index += 1) {
    packager.clock.advance(2000);
    for (const j of [0, 1])
      await stream.publishPart(
        part('720p', FIRST_K + 3 + index, j, {
          period: 1,
          msn: FIRST_K + 1 + index,
          discontinuitySequence: 1,
          hasDiscontinuity: index === 0,
        }),
      );
  }
  expect((await packager.get('720p/init-1.mp4')).status).toBe(200);
  expect((await packager.get('720p/init-0.mp4')).status).toBe(410);
  expect((await packager.get('720p/init-9.mp4')).status).toBe(404);
});

test('the age of each session is a gauge, gone when the session has ended', async () => {
  const packager = await start();
  const stream = await packager.publish(1, ['720p']);
  const endMs = (FIRST_K + 1) * 2000 + 250;
  packager.clock.advance(endMs + 1500 - packager.clock.now());
  const labels = { session: packager.sessionId };
  expect(await packager.metric('millrace_packager_session_age_seconds', labels)).toBeCloseTo(1.5, 3);
  stream.close();
  await packager.end();
  expect(await packager.metric('millrace_packager_session_age_seconds', labels)).toBe(0);
});

test('a rate above what was declared is counted each time and an event once', async () => {
  const packager = await start({ presentation: { windowSegments: 6 } });
  const stream = await packager.publish(1, ['720p']);
  for (let k = FIRST_K + 1; k < FIRST_K + 4; k += 1)
    for (const index of [0, 1]) await stream.publishPart(part('720p', k, index, { frameBytes: 20_000 }));
  expect(await packager.metric('millrace_packager_declared_rate_exceeded_total', { rate: 'peak' })).toBe(3);
  expect(packager.events).toHaveLength(1);
  expect(packager.events[0]).toMatchObject({
    type: 'InputWarning',
    data: { channel: 'demo', sessionId: packager.sessionId, id: 'PACKAGER_RATE_ABOVE_DECLARED' },
  });
});
