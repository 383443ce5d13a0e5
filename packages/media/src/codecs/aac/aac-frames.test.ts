import { describe, expect, test } from '@jest/globals';
import { BitReader } from '../bit-reader.ts';
import { ADTS_HEADER_BYTES, marshalAdtsHeader } from './adts.ts';
import { silentAacFrame } from './silent-frame.ts';

const LC = { objectType: 2, sampleRate: 48_000, channelConfiguration: 2 };

describe('marshalAdtsHeader', () => {
  test('says profile, rate, channels and length', () => {
    const reader = new BitReader(marshalAdtsHeader(LC, 1000));
    const fields = [12, 1, 2, 1, 2, 4, 1, 3, 4, 13, 11, 2].map((bits) => reader.bits(bits));
    expect(fields).toEqual([0xfff, 0, 0, 1, 1, 3, 0, 2, 0, 1000 + ADTS_HEADER_BYTES, 0x7ff, 0]);
    expect(reader.remainingBits).toBe(0);
  });

  test.each([
    ['an object type', { ...LC, objectType: 5 }, 10],
    ['a rate', { ...LC, sampleRate: 12_345 }, 10],
    ['a channel configuration', { ...LC, channelConfiguration: 11 }, 10],
    ['a length', LC, 8185],
  ])('refuses %s that it cannot say', (_, config, bytes) => {
    expect(() => marshalAdtsHeader(config, bytes)).toThrow(RangeError);
  });
});

describe('silentAacFrame', () => {
  test.each([
    // element, tag, [common window], window (11 bits with max_sfb), [ms_mask], per channel gain and three tools, end
    [1, [3, 4], [8, 11, 3], [0, 0, 0, 0, 0, 7]],
    [2, [3, 4, 1, 11, 2, 11], [11], [1, 0, 1, 0, 0, 0, 0, 7]],
  ])(
    'of %i channels has one element without coefficients, then the end',
    (channels, head, rest, expected) => {
      const frame = silentAacFrame(channels);
      if (frame === undefined) throw new Error('there is no such frame');
      const reader = new BitReader(frame);
      expect([...head, ...rest, 3].map((bits) => reader.bits(bits))).toEqual(expected);
      expect(reader.remainingBits).toBeLessThan(8);
    },
  );

  test('of 5.1 channels has an element for each group of loudspeakers', () => {
    expect(Buffer.from(silentAacFrame(6) ?? []).toString('hex')).toBe(
      '00000001080000000023000000000c000000e0',
    );
  });

  test.each([0, 8, 11])('is not there for configuration %i', (configuration) => {
    expect(silentAacFrame(configuration)).toBeUndefined();
  });
});
