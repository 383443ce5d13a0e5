import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { PROPERTY, fuzzParser } from '../../testdata/fuzz.ts';
import { marshalEsDescriptor, parseEsDescriptor } from './es-descriptor.ts';

const uint = (bits: number) => fc.integer({ min: 0, max: 2 ** bits - 1 });
const descriptor = fc.record({
  esId: uint(16),
  objectTypeIndication: uint(8),
  bufferSizeBytes: uint(24),
  maxBitrateBps: uint(32),
  averageBitrateBps: uint(32),
  decoderSpecificInfo: fc.uint8Array({ maxLength: 300 }),
});
/** As ffmpeg writes it: every length in four bytes. */
const FFMPEG = Buffer.from(
  '03808080250001000480808017401500000000007d0000007d000580808005119056e500068080800102',
  'hex',
);

describe('ES_Descriptor', () => {
  test('parse(marshal(x)) = x', () => {
    fc.assert(
      fc.property(descriptor, (value) => {
        const { decoderSpecificInfo, ...rest } = parseEsDescriptor(marshalEsDescriptor(value));
        expect({ ...rest, decoderSpecificInfo: [...decoderSpecificInfo] }).toEqual({
          ...value,
          decoderSpecificInfo: [...value.decoderSpecificInfo],
        });
      }),
      PROPERTY,
    );
  });

  test('reads lengths of four bytes', () => {
    const { decoderSpecificInfo, ...rest } = parseEsDescriptor(FFMPEG);
    expect(Buffer.from(decoderSpecificInfo).toString('hex')).toBe('119056e500');
    expect(rest).toMatchObject({ esId: 1, objectTypeIndication: 0x40, maxBitrateBps: 32_000 });
  });

  test('gives nothing but a result or ParseError for bad bytes', () => {
    expect(fuzzParser([FFMPEG], parseEsDescriptor)).toBeGreaterThan(0);
  });
});
