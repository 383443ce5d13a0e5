import { describe, expect, it } from '@jest/globals';
import {
  firstSegmentAtOrAfter,
  partFirstTick,
  partIndex,
  partPosition,
  partsPerSegment,
  partStartTicks,
  rescale,
  segmentFirstTick,
  segmentNumber,
  segmentStartTicks,
} from './grid.ts';

const TWO = { numerator: 2, denominator: 1 };
const NTSC = { numerator: 1001, denominator: 500 };
const HALF = { numerator: 1, denominator: 2 };

describe('E-1: segment numbers', () => {
  it('are UTC over SEG', () => {
    expect(segmentNumber(1_700_000_000 * 90_000, 90_000, TWO)).toBe(850_000_000);
  });

  it.each([
    [-46, 849_999_999],
    [-45, 850_000_000],
    [0, 850_000_000],
  ])('take a sample %i ticks from the boundary into segment %i: e is 0.5 ms', (distance, k) => {
    expect(segmentNumber(1_700_000_000 * 90_000 + distance, 90_000, TWO)).toBe(k);
  });

  it('are exact for 29.97 fps with 60 frames each (E-4)', () => {
    const start = segmentStartTicks(849_150_849, 90_000, NTSC);
    expect(start).toBe(849_150_849 * 180_180);
    expect(segmentNumber(start + 59 * 3003, 90_000, NTSC)).toBe(849_150_849);
    expect(segmentNumber(start + 60 * 3003, 90_000, NTSC)).toBe(849_150_850);
  });

  it('refuse a timescale that is none', () => {
    expect(() => segmentNumber(0, 0, TWO)).toThrow(RangeError);
  });
});

describe('parts', () => {
  it('count from the segment they are in', () => {
    const start = segmentStartTicks(850_000_000, 48_000, TWO);
    expect(partPosition(start + 24_000, 48_000, TWO, HALF)).toEqual({ k: 850_000_000, part: 1 });
    expect(partIndex(start + 95_000, 48_000, TWO, HALF)).toBe(3);
    expect(partsPerSegment(TWO, HALF)).toBe(4);
  });

  it('begin at K * SEG + j * PT, less the half millisecond', () => {
    const position = { k: 850_000_000, part: 3 };
    const nominal = 1_700_000_000 * 90_000 + 135_000;
    expect(partStartTicks(position, 90_000, TWO, HALF)).toBe(nominal);
    expect(partFirstTick(position, 90_000, TWO, HALF)).toBe(nominal - 45);
  });

  it('must divide the segment', () => {
    expect(() => partsPerSegment(TWO, { numerator: 3, denominator: 10 })).toThrow(/does not divide/);
  });
});

describe('conversions', () => {
  it('find the grid point at or after an arrival', () => {
    expect(firstSegmentAtOrAfter(1_700_000_000_000, TWO)).toBe(850_000_000);
    expect(firstSegmentAtOrAfter(1_700_000_000_000.5, TWO)).toBe(850_000_001);
  });

  it.each([
    [1_700_000_000 * 90_000, 90_000, 48_000, 1_700_000_000 * 48_000],
    [3003, 90_000, 44_100, 1471],
    [-1, 90_000, 48_000, -1],
  ])('rescale %i from %i to %i', (ticks, from, to, expected) => {
    expect(rescale(ticks, from, to)).toBe(expected);
  });

  it('know the first tick of a segment at 44.1 kHz', () => {
    const first = segmentFirstTick(850_000_000, 44_100, TWO);
    expect(segmentNumber(first, 44_100, TWO)).toBe(850_000_000);
    expect(segmentNumber(first - 1, 44_100, TWO)).toBe(849_999_999);
  });
});
