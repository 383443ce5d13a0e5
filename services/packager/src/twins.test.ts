import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { session } from '@millrace/contracts';
import { PackagerGroup, RENDITIONS } from './testing/packager-group.ts';
import { FIRST_K } from './testing/packager-harness.ts';
import { part } from './testing/synthetic-parts.ts';

let group: PackagerGroup | undefined;

async function start(...options: Parameters<typeof PackagerGroup.start>): Promise<PackagerGroup> {
  group = await PackagerGroup.start(...options);
  return group;
}

afterEach(async () => {
  await group?.stop();
  group = undefined;
});

/** Everything that viewers can ask for of the first segments. */
function objects(segments: number): readonly string[] {
  return RENDITIONS.flatMap((id) => [
    `${id}/index.m3u8`,
    `${id}/ts.m3u8`,
    `${id}/init-0.mp4`,
    ...Array.from({ length: segments }, (_, index) => FIRST_K + index).flatMap((k) => [
      `${id}/${k}.m4s`,
      `${id}/${k}.0.m4s`,
      `${id}/${k}.1.m4s`,
      `${id}/${k}.ts`,
    ]),
  ]);
}

async function expectSame(
  packagers: PackagerGroup,
  one: string,
  other: string,
  segments: number,
): Promise<void> {
  for (const object of objects(segments)) {
    const [first, second] = await Promise.all([
      packagers.member(one).get(object),
      packagers.member(other).get(object),
    ]);
    expect([object, second.status, second.headers.etag]).toEqual([object, 200, first.headers.etag]);
    expect(second.body.equals(first.body)).toBe(true);
  }
}

describe('a packager that joins', () => {
  test('has everything that its twin has before it answers: rows, bytes, init segments, the token that rules', async () => {
    const packagers = await start(['a'], { placed: ['a', 'b'] });
    const worker = await packagers.open('a', 7);
    await packagers.publishInits([worker]);
    for (let k = FIRST_K; k < FIRST_K + 3; k += 1) await packagers.publishParts([worker], k);
    await worker.publishPart(part('720p', FIRST_K + 3, 0));
    await packagers.add('b');
    const joined = await packagers.open('b', 8, { k: FIRST_K + 3, part: 1 });
    const held = await packagers.open('a', 8, { k: FIRST_K + 3, part: 1 });
    expect(joined.reply).toEqual(held.reply);
    expect(joined.reply.renditions).toHaveLength(3);
    await expect(packagers.open('b', 6)).rejects.toMatchObject({ id: 'PACKAGER_TOKEN_STALE' });
    await expectSame(packagers, 'a', 'b', 3);
    expect(await packagers.member('b').metric('millrace_packager_fills_total', { result: 'filled' })).toBe(1);
    // Nothing was asked of the other one for it.
    expect(await packagers.member('b').metric('millrace_packager_forwarded_requests_total')).toBe(0);
  });

  test('gets the parts that went to its twin between the copy and its own first part', async () => {
    const packagers = await start(['a', 'b']);
    const toA = await packagers.open('a');
    await packagers.publishInits([toA]);
    await packagers.publishParts([toA], FIRST_K);
    const toB = await packagers.open('b');
    // The connection to A is slow to say so: these are on their way to B when B is told of what comes after them.
    packagers.cut.add('a');
    await packagers.publishParts([toA], FIRST_K + 1);
    const ahead = packagers.publishParts([toB], FIRST_K + 2);
    await packagers.until(async () => (await held(packagers, 'a', '720p')) === 2);
    packagers.cut.delete('a');
    await ahead;
    await packagers.publishParts([toA], FIRST_K + 2);
    await expectSame(packagers, 'a', 'b', 3);
  });

  test('asks a twin that was not there as soon as something is missing that it may have by now', async () => {
    const packagers = await start(['a'], { placed: ['a', 'b'], retryMs: 60_000 });
    const toA = await packagers.open('a');
    await packagers.publishInits([toA]);
    await packagers.publishParts([toA], FIRST_K);
    await packagers.add('b');
    const toB = await packagers.open('b');
    await packagers.publishParts([toB], FIRST_K + 1, [0]);
    await packagers.publishParts([toA, toB], FIRST_K + 1, [1]);
    await expectSame(packagers, 'a', 'b', 2);
  });

  test('says what is over like its twin: 410 for what it never held itself', async () => {
    const packagers = await start(['a'], { placed: ['a', 'b'] });
    const worker = await packagers.open('a');
    await packagers.publishInits([worker]);
    for (let k = FIRST_K; k < FIRST_K + 30; k += 1) {
      await packagers.publishParts([worker], k);
      packagers.clock.advance(2000);
    }
    expect((await packagers.member('a').get(`720p/${FIRST_K}.m4s`)).status).toBe(410);
    await packagers.add('b');
    await packagers.filled('b');
    for (const index of [0, 5, 20, 29, 40]) {
      const [a, b] = await Promise.all(
        ['a', 'b'].map((id) => packagers.member(id).get(`720p/${FIRST_K + index}.m4s`)),
      );
      expect([index, b?.status]).toEqual([index, a?.status]);
    }
    expect((await packagers.member('b').get('720p/index.m3u8')).headers.etag).toBe(
      (await packagers.member('a').get('720p/index.m3u8')).headers.etag,
    );
  });

  test('with nobody to ask begins at once, with nothing', async () => {
    const packagers = await start(['b'], { placed: ['a', 'b'] });
    const worker = await packagers.open('b');
    expect(worker.reply).toEqual({ renditions: [], inits: [] });
    await packagers.publishInits([worker]);
    await packagers.publishParts([worker], FIRST_K);
    expect((await packagers.member('b').get('720p/index.m3u8')).status).toBe(200);
    expect(await packagers.member('b').metric('millrace_packager_fills_total', { result: 'empty' })).toBe(1);
  });

  test('takes nothing, and says that it is not there yet, while a twin is registered that cannot be reached', async () => {
    const packagers = await start(['a'], { placed: ['a', 'b'] });
    packagers.cut.add('a');
    const toA = await packagers.open('a');
    await packagers.publishInits([toA]);
    await packagers.publishParts([toA], FIRST_K);
    const b = await packagers.add('b');
    await expect(packagers.open('b')).rejects.toMatchObject({ code: 'UNAVAILABLE', id: 'PACKAGER_FILLING' });
    const watch = b.packager.index.watch(
      { sessionId: packagers.sessionId, withParts: false },
      new AbortController().signal,
    );
    await expect(watch[Symbol.asyncIterator]().next()).rejects.toMatchObject({ id: 'PACKAGER_FILLING' });
    // Viewers are answered from there all the same.
    await expectSame(packagers, 'a', 'b', 1);
    packagers.cut.delete('a');
    await packagers.filled('b');
    const { reply } = await packagers.open('b');
    expect(reply.renditions.map(({ rows }) => rows.length)).toEqual([1, 1, 1]);
  });

  test('of an ended session gets what is left of it, and ENDLIST', async () => {
    const packagers = await start(['a'], { placed: ['a', 'b'] });
    const worker = await packagers.open('a');
    await packagers.publishInits([worker]);
    await packagers.publishParts([worker], FIRST_K);
    await packagers.end(FIRST_K);
    await packagers.add('b');
    await packagers.filled('b');
    const [a, b] = await Promise.all(['a', 'b'].map((id) => packagers.member(id).get('720p/index.m3u8')));
    expect(b?.body.toString()).toContain('#EXT-X-ENDLIST');
    expect(b?.headers.etag).toBe(a?.headers.etag);
  });
});

describe('two packagers at once', () => {
  test('of a new session do not wait for each other', async () => {
    const packagers = await start(['a', 'b']);
    const streams = await Promise.all(['a', 'b'].map((id) => packagers.open(id)));
    await packagers.publishInits(streams);
    await packagers.publishParts(streams, FIRST_K);
    await expectSame(packagers, 'a', 'b', 1);
  });

  test('a segment with B-frames that is made again is the same on both', async () => {
    const packagers = await start(['a', 'b'], { presentation: { preset: session.Preset.QUALITY } });
    const before = await Promise.all(['a', 'b'].map((id) => packagers.open(id)));
    await packagers.publishInits(before);
    await packagers.publishParts(before, FIRST_K);
    await packagers.publishParts(before, FIRST_K + 1, [0]);
    for (const stream of before) stream.close();
    // Each follows the other now, and has nothing to tell it: what both hold is not made again.
    for (let turn = 0; turn < 50; turn += 1) await nextTurn();
    const copied = (id: string): Promise<number> =>
      packagers.member(id).metric('millrace_packager_parts_total', { result: 'copied' });
    expect([await copied('a'), await copied('b')]).toEqual([0, 0]);
    const after = await packagers.open('a', 2, { k: FIRST_K + 1, part: 0 });
    for (const index of [0, 1])
      for (const id of RENDITIONS)
        await after.publishPart(part(id, FIRST_K + 1, index, id === 'audio' ? {} : { frameBytes: 60 }));
    await packagers.until(async () => (await held(packagers, 'b', '720p')) === 2);
    const [a, b] = await Promise.all(
      ['a', 'b'].map((id) => packagers.member(id).get(`720p/${FIRST_K + 1}.m4s`)),
    );
    expect(b?.body.equals(a?.body ?? Buffer.alloc(0))).toBe(true);
  });
});

describe('a packager that lost its worker', () => {
  test('follows its twin, and is fed by the worker again when that is back', async () => {
    const packagers = await start(['a', 'b']);
    const [toA, toB] = await Promise.all(['a', 'b'].map((id) => packagers.open(id)));
    if (toA === undefined || toB === undefined) throw new Error('no streams');
    await packagers.publishInits([toA, toB]);
    await packagers.publishParts([toA, toB], FIRST_K);
    toB.close();
    await packagers.publishParts([toA], FIRST_K + 1);
    await packagers.until(async () => (await held(packagers, 'b', 'audio')) === 2);
    const again = await packagers.open('b');
    expect(again.reply.renditions[0]?.resume).toEqual({ k: FIRST_K + 2, part: 0 });
    await packagers.publishParts([toA, again], FIRST_K + 2);
    const copied = (): Promise<number> =>
      packagers.member('b').metric('millrace_packager_parts_total', { result: 'copied' });
    const before = await copied();
    packagers.cut.add('a');
    await packagers.publishParts([toA, again], FIRST_K + 3);
    expect(await copied()).toBe(before);
    await expectSame(packagers, 'a', 'b', 4);
  });

  test('and its twin answers 503 for playlists after three target durations, and media as ever', async () => {
    const packagers = await start(['a', 'b']);
    const [toA, toB] = await Promise.all(['a', 'b'].map((id) => packagers.open(id)));
    if (toA === undefined || toB === undefined) throw new Error('no streams');
    await packagers.publishInits([toA, toB]);
    await packagers.publishParts([toA, toB], FIRST_K);
    toB.close();
    packagers.cut.add('a');
    const b = packagers.member('b');
    expect((await b.get('720p/index.m3u8')).status).toBe(200);
    packagers.clock.advance(6000);
    expect((await b.get('720p/index.m3u8')).status).toBe(200);
    packagers.clock.advance(1);
    await packagers.until(async () => (await b.get('720p/index.m3u8')).status === 503);
    const refused = await b.get('720p/index.m3u8');
    expect([refused.headers['retry-after'], refused.headers['cache-control']]).toEqual(['1', 'no-store']);
    expect((await b.get(`720p/${FIRST_K}.m4s`)).status).toBe(200);
    expect((await packagers.member('a').get('720p/index.m3u8')).status).toBe(200);
    packagers.cut.delete('a');
    await packagers.until(async () => (await b.get('720p/index.m3u8')).status === 200);
  });
});

test('a process that stood still lets its twin answer until it is in step again', async () => {
  const packagers = await start(['a', 'b']);
  const streams = await Promise.all(['a', 'b'].map((id) => packagers.open(id)));
  await packagers.publishInits(streams);
  await packagers.publishParts(streams, FIRST_K);
  const fills = (id: string): Promise<number> => packagers.member(id).metric('millrace_packager_fills_total');
  expect([await fills('a'), await fills('b')]).toEqual([1, 1]);
  const now = performance.now.bind(performance);
  const jumped = jest.spyOn(performance, 'now').mockImplementation(() => now() + 60_000);
  try {
    await packagers.until(async () => (await fills('a')) === 2 && (await fills('b')) === 2);
  } finally {
    jumped.mockRestore();
  }
  await packagers.publishParts(streams, FIRST_K + 1);
  await expectSame(packagers, 'a', 'b', 2);
});

async function held(packagers: PackagerGroup, id: string, renditionId: string): Promise<number> {
  const playlist = await packagers.member(id).get(`${renditionId}/index.m3u8`);
  return playlist.body.toString().match(/#EXTINF/g)?.length ?? 0;
}
