import { describe, expect, test } from '@jest/globals';
import { encodedFrameRate, FrameGrid } from './frame-grid.ts';

const rate = (numerator: number, denominator = 1) => ({ numerator, denominator });

describe('the rate of an encoded rendition', () => {
  test.each([
    ['a source below the cap keeps its rate', rate(25), rate(30), rate(25)],
    ['a source at the cap keeps its rate', rate(30), rate(30), rate(30)],
    ['60 under a cap of 30 is halved', rate(60), rate(30), rate(30)],
    ['59.94 under a cap of 30 is halved exactly', rate(60_000, 1001), rate(30), rate(30_000, 1001)],
    ['60 under a cap of 25 is a third', rate(60), rate(25), rate(20)],
    ['30 under the 29.97 of an earlier period is not halved', rate(30), rate(30_000, 1001), rate(30)],
    ['without a cap the source decides', rate(50), undefined, rate(50)],
    ['a varying source runs at the cap', undefined, rate(30), rate(30)],
  ])('%s', (_, source, cap, expected) => {
    expect(encodedFrameRate(source, cap)).toEqual(expected);
  });

  test('a varying source without a cap stays variable', () => {
    expect(encodedFrameRate(undefined, undefined)).toBeUndefined();
  });
});

describe('the frame grid', () => {
  const start = 153_000_000_180_000;

  test('59.94 fps lands on ticks rounded as ffmpeg rounds them', () => {
    const grid = new FrameGrid(start, rate(60_000, 1001));
    expect([0, 1, 2, 3, 4].map((index) => grid.ticksOf(index) - start)).toEqual([0, 1502, 3003, 4505, 6006]);
  });

  test('the first frame at or after a time is exact after a day', () => {
    const grid = new FrameGrid(start, rate(30_000, 1001));
    const after = start + 86_400 * 90_000;
    const first = grid.firstAtOrAfter(after);
    expect((first - start) % 3003).toBe(0);
    expect(first).toBeGreaterThanOrEqual(after);
    expect(first - 3003).toBeLessThan(after);
  });

  test('a time before the period is the first frame', () => {
    expect(new FrameGrid(start, rate(25)).firstAtOrAfter(start - 45)).toBe(start);
  });
});
