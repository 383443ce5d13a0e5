import { describe, expect, it } from '@jest/globals';
import { h264HighCodec, h264Level } from './h264-level.ts';

describe('H.264 level', () => {
  it.each([
    [1280, 720, 30, 2_800_000, 31],
    [1280, 720, 60, 2_800_000, 32],
    [854, 480, 30, 1_200_000, 31],
    [640, 360, 30, 700_000, 30],
    [426, 240, 30, 300_000, 21],
    [1920, 1080, 30, 5_000_000, 40],
    [1920, 1080, 60, 5_000_000, 42],
    [1920, 1080, 30, 40_000_000, 41],
    [3840, 2160, 30, 20_000_000, 51],
    // one row, but wider than any low level allows
    [1024, 16, 30, 100_000, 21],
    [16_384, 16_384, 240, 1e9, 62],
  ])('%ix%i at %i fps and %i b/s is %i', (width, height, rate, bitrate, level) => {
    expect(h264Level(width, height, { numerator: rate, denominator: 1 }, bitrate)).toBe(level);
  });

  it('takes a varying rate for 60', () => {
    expect(h264Level(1280, 720, undefined, 2_800_000)).toBe(32);
  });

  it('is written as x264 writes it: High without constraints', () => {
    expect(h264HighCodec(31)).toBe('avc1.64001f');
    expect(h264HighCodec(10)).toBe('avc1.64000a');
  });
});
