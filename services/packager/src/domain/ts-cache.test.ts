import { afterEach, expect, test } from '@jest/globals';
import { FIRST_K, PackagerHarness } from '../testing/packager-harness.ts';
import { TsCache } from './ts-cache.ts';

let harness: PackagerHarness | undefined;

afterEach(async () => {
  await harness?.stop();
  harness = undefined;
});

async function start(maxTsCacheBytes: number): Promise<PackagerHarness> {
  harness = await PackagerHarness.start({ config: { memory: { maxTsCacheBytes } } });
  await harness.publish(3);
  return harness;
}

const held = (packager: PackagerHarness): Promise<number> =>
  packager.metric('millrace_packager_ts_cache_bytes');

async function body(packager: PackagerHarness, k: number): Promise<Buffer> {
  const answer = await packager.get(`720p/${k}.ts`);
  expect(answer.status).toBe(200);
  return answer.body;
}

test('what was used least recently goes, whenever it came', () => {
  const cache = new TsCache<object, { readonly body: Buffer }>(20);
  const [first, second, third] = [{}, {}, {}];
  for (const key of [first, second]) cache.set(key, { body: Buffer.alloc(10) });
  expect(cache.get(first)).toBeDefined();
  cache.set(third, { body: Buffer.alloc(10) });
  expect([first, second, third].map((key) => cache.get(key) !== undefined)).toEqual([true, false, true]);
  cache.delete(first);
  cache.set(third, { body: Buffer.alloc(5) });
  expect(cache.bytes).toBe(5);
});

test('maxTsCacheBytes: what does not fit goes, and is made again, the same to the byte', async () => {
  const ample = await start(64 * 1024 * 1024);
  const segments = [
    await body(ample, FIRST_K),
    await body(ample, FIRST_K + 1),
    await body(ample, FIRST_K + 2),
  ];
  const bytes = segments.map(({ length }) => length);
  expect(await held(ample)).toBe(bytes.reduce((sum, length) => sum + length, 0));
  await ample.stop();

  // Room for any two of them.
  const [first = 0, second = 0, third = 0] = bytes;
  const packager = await start(first + second + third - Math.min(...bytes));
  for (const k of [FIRST_K, FIRST_K + 1, FIRST_K + 2]) await body(packager, k);
  expect(await held(packager)).toBe(second + third);
  for (const [index, segment] of segments.entries())
    expect((await body(packager, FIRST_K + index)).equals(segment)).toBe(true);
});

test('maxTsCacheBytes: a segment that is larger than all of it is served all the same, and not kept', async () => {
  const packager = await start(100);
  for (let round = 0; round < 2; round += 1) {
    expect((await body(packager, FIRST_K)).length).toBeGreaterThan(100);
    expect(await held(packager)).toBe(0);
  }
});
