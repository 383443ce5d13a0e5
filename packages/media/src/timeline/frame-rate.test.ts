import { describe, expect, it } from '@jest/globals';
import {
  encodedFrameRate,
  frameRateFromNumber,
  frameTicks,
  measureFrameRate,
  segmentDurationOfInterval,
  statedFrameRate,
} from './frame-rate.ts';
import { rational, rationalToNumber } from './rational.ts';

describe('frame rates', () => {
  it.each([
    [29.97, rational(30_000, 1001)],
    [29.97002997, rational(30_000, 1001)],
    [59.94, rational(60_000, 1001)],
    [23.98, rational(24_000, 1001)],
    [30, rational(30, 1)],
    [12.345, rational(2469, 200)],
    [1000, undefined],
    [0, undefined],
    [Number.NaN, undefined],
  ])('of metadata: %p', (value, expected) => {
    expect(frameRateFromNumber(value)).toEqual(expected);
  });

  it('come from the VUI first, and from neither where the two contradict', () => {
    const vui = rational(25, 1);
    expect(statedFrameRate(vui, undefined)).toEqual(vui);
    expect(statedFrameRate(vui, 25.01)).toEqual(vui);
    expect(statedFrameRate(vui, 50)).toBeUndefined();
    expect(statedFrameRate(undefined, 50)).toEqual(rational(50, 1));
    expect(statedFrameRate(rational(90_000, 1), 30)).toEqual(rational(30, 1));
  });

  it.each([
    rational(24, 1),
    rational(25, 1),
    rational(30, 1),
    rational(50, 1),
    rational(60, 1),
    rational(15, 1),
  ])('are measured in half a second of millisecond clocks: %p', (rate) => {
    const count = Math.ceil(rationalToNumber(rate) / 2) + 1;
    const times = Array.from(
      { length: count },
      (_, index) => 1000 + Math.floor((index * 1000) / rationalToNumber(rate)),
    );
    expect(measureFrameRate(times)).toEqual(rate);
  });

  it('vary when the pictures are uneven', () => {
    expect(measureFrameRate([0, 33, 80, 100, 170, 190])).toBeUndefined();
  });

  it('are divided by the smallest whole number under a cap', () => {
    expect(encodedFrameRate(rational(60_000, 1001), rational(30, 1))).toEqual(rational(30_000, 1001));
    expect(encodedFrameRate(rational(50, 1), rational(30, 1))).toEqual(rational(25, 1));
    expect(encodedFrameRate(rational(30, 1), rational(30_000, 1001))).toEqual(rational(30, 1));
    expect(encodedFrameRate(undefined, rational(30, 1))).toEqual(rational(30, 1));
  });

  it('have exact frame times: 59.94 fps alternates 1501 and 1502 ticks and never drifts', () => {
    const rate = rational(60_000, 1001);
    expect([1, 2, 3].map((index) => frameTicks(index, rate))).toEqual([1502, 3003, 4505]);
    expect(frameTicks(60_000 * 1000, rate)).toBe(1001 * 90_000 * 1000);
  });

  it('give SEG exactly: 60 frames at 29.97 are 1001/500 s, and half a second is doubled', () => {
    const rate = rational(30_000, 1001);
    expect(segmentDurationOfInterval({ frames: 60, rate })).toEqual(rational(1001, 500));
    expect(segmentDurationOfInterval({ frames: 15, rate: rational(30, 1) })).toEqual(rational(1, 1));
    expect(segmentDurationOfInterval({ ms: 1960 })).toEqual(rational(49, 25));
  });
});
