import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { createFixture } from '../testing/fixture.ts';
import type { Fixture } from '../testing/fixture.ts';

/** The part of the page that can run without a browser; it ships as it is, without types. */
interface PictureClockModule {
  readonly decodeBlocks: (brightness: readonly number[]) => number | undefined;
  readonly latencyOf: (stamp: number, nowMs: number) => number | undefined;
}

const clockUrl = new URL('../../assets/page/picture-clock.js', import.meta.url).href;
const { decodeBlocks, latencyOf } = (await import(clockUrl)) as PictureClockModule;

/** What the test picture draws: 32 bits of time, then the XOR of its bytes. */
function blocksOf(timeMs: number): number[] {
  const time = timeMs % 2 ** 32;
  const bytes = [24, 16, 8, 0].map((shift) => Math.floor(time / 2 ** shift) % 256);
  const checksum = bytes.reduce((sum, byte) => sum ^ byte, 0);
  return [...bytes, checksum].flatMap((byte) =>
    [7, 6, 5, 4, 3, 2, 1, 0].map((bit) => ((byte >> bit) & 1) * 255),
  );
}

describe('the clock in the picture', () => {
  test('latency is read from any time through any noise that keeps black and white apart', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4e12 }),
        fc.nat(100_000),
        fc.array(fc.nat(100), { minLength: 40, maxLength: 40 }),
        (timeMs, late, noise) => {
          const seen = blocksOf(timeMs).map((value, index) => Math.abs(value - (noise[index] ?? 0)));
          const stamp = decodeBlocks(seen);
          expect(stamp).toBe(timeMs % 2 ** 32);
          expect(latencyOf(stamp ?? 0, timeMs + late)).toBe(late);
        },
      ),
      { numRuns: 500, seed: 1 },
    );
  });

  test('one block that is read wrong is noticed', () => {
    for (let index = 0; index < 40; index += 1) {
      const seen = blocksOf(1_780_000_000_123).map((value, at) => (at === index ? 255 - value : value));
      expect(decodeBlocks(seen)).toBeUndefined();
    }
  });

  test('a picture without a clock gives no latency', () => {
    expect(decodeBlocks([])).toBeUndefined();
    expect(decodeBlocks(Array(40).fill(255))).toBeUndefined();
    // All black has a right checksum, and a time that cannot be.
    expect(latencyOf(decodeBlocks(Array(40).fill(0)) ?? -1, 1_780_000_000_123)).toBeUndefined();
  });
});

describe('/', () => {
  let fixture: Fixture;

  beforeAll(async () => {
    fixture = await createFixture();
  });

  afterAll(() => fixture.stop());

  test('the page and every file it names come from here, under a policy that allows nothing else', async () => {
    const response = await fetch(`${fixture.url}/`);
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    const html = await response.text();
    expect(html).not.toMatch(/<script(?![^>]*src=)|<style|\son\w+=|style="|https?:\/\//);
    const names = [...html.matchAll(/(?:src|href)="(page\/[^"]+)"/g)].map((match) => match[1] ?? '');
    expect(names.length).toBeGreaterThan(2);
    const scripts = ['main', 'admin', 'api', 'format', 'player', 'picture-clock', 'hls'].map(
      (name) => `page/${name}.js`,
    );
    for (const name of [...names, ...scripts]) {
      const file = await fetch(`${fixture.url}/${name}`);
      expect([name, file.status]).toEqual([name, 200]);
      const text = await file.text();
      if (!name.endsWith('hls.js'))
        expect(text.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:\/\//);
      const imports = [...text.matchAll(/from '\.\/([\w-]+\.js)'/g)].map((match) => `page/${match[1]}`);
      for (const each of name.endsWith('hls.js') ? [] : imports) expect(scripts).toContain(each);
    }
  });

  test('nothing else is served', async () => {
    for (const path of [
      '/page/',
      '/page/nope.js',
      '/page/..%2fopenapi.yaml',
      '/page/%2e%2e/openapi.yaml',
      '/index.html',
    ]) {
      expect([path, (await fetch(fixture.url + path)).status]).toEqual([path, 404]);
    }
  });
});
