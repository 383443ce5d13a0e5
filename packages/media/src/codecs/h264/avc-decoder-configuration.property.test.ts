import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { PROPERTY, fuzzParser } from '../../testdata/fuzz.ts';
import {
  avcCodecString,
  avcDecoderConfigurationOf,
  marshalAvcDecoderConfiguration,
  parseAvcDecoderConfiguration,
} from './avc-decoder-configuration.ts';
import type { AvcDecoderConfiguration } from './avc-decoder-configuration.ts';

/** What ffmpeg wrote for High with B-frames. */
const HIGH = Buffer.from(
  '0164000dffe1001a6764000dacd941419f9f0110000003001000000303c0f142996001000468efbcb0fdf8f800',
  'hex',
);

const byte = fc.nat(255);
const sets = (maxLength: number) => fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength });
const configuration: fc.Arbitrary<AvcDecoderConfiguration> = fc
  .record({
    profile: fc.constantFrom(66, 77, 88, 100, 110, 122, 244),
    constraints: byte,
    level: byte,
    lengthSize: fc.constantFrom(1 as const, 2 as const, 4 as const),
    sequenceParameterSets: sets(31),
    pictureParameterSets: sets(40),
    high: fc.option(
      fc.record({
        chromaFormat: fc.nat(3),
        bitDepth: fc.integer({ min: 8, max: 15 }),
        chromaBitDepth: fc.integer({ min: 8, max: 15 }),
        spsExtensions: sets(3),
      }),
      { nil: undefined },
    ),
  })
  .map(({ high, ...base }) => (high === undefined || base.profile < 100 ? base : { ...base, high }));

describe('AVCDecoderConfigurationRecord', () => {
  test('parse(marshal(x)) = x', () => {
    fc.assert(
      fc.property(configuration, (config) => {
        expect(normal(parseAvcDecoderConfiguration(marshalAvcDecoderConfiguration(config)))).toEqual(
          normal(config),
        );
      }),
      PROPERTY,
    );
  });

  test('marshals to the very bytes that ffmpeg wrote', () => {
    expect(marshalAvcDecoderConfiguration(parseAvcDecoderConfiguration(HIGH)).toString('hex')).toBe(
      HIGH.toString('hex'),
    );
  });

  test('is made of parameter sets alone', () => {
    const { sequenceParameterSets, pictureParameterSets } = parseAvcDecoderConfiguration(HIGH);
    const made = avcDecoderConfigurationOf(sequenceParameterSets, pictureParameterSets);
    expect(marshalAvcDecoderConfiguration(made).toString('hex')).toBe(HIGH.toString('hex'));
  });

  test('needs both kinds of parameter sets to be made', () => {
    const { sequenceParameterSets } = parseAvcDecoderConfiguration(HIGH);
    expect(() => avcDecoderConfigurationOf(sequenceParameterSets, [])).toThrow(/needs an SPS and a PPS/);
  });

  test('has a codec string', () => {
    expect(avcCodecString(parseAvcDecoderConfiguration(HIGH))).toBe('avc1.64000d');
    expect(avcCodecString({ profile: 66, constraints: 0xc0, level: 30 })).toBe('avc1.42c01e');
  });

  test('may leave out the High-profile fields', () => {
    expect(parseAvcDecoderConfiguration(HIGH.subarray(0, -4))).not.toHaveProperty('high');
  });

  test('refuses a configuration that is too long to be one', () => {
    expect(() => parseAvcDecoderConfiguration(Buffer.concat([HIGH, Buffer.alloc(65_536)]))).toThrow(
      /too-large/,
    );
  });

  test('refuses NAL lengths of 3 bytes', () => {
    const bytes = Buffer.from(HIGH);
    bytes[4] = 0xfe;
    expect(() => parseAvcDecoderConfiguration(bytes)).toThrow(/3 bytes/);
  });

  test('gives nothing but a result or ParseError for bad bytes', () => {
    expect(fuzzParser([HIGH], parseAvcDecoderConfiguration)).toBeGreaterThan(0);
  });
});

/** Slices of buffers as plain arrays, so that they compare by value. */
function normal(config: AvcDecoderConfiguration): unknown {
  return JSON.parse(
    JSON.stringify(config, (_, value: unknown) =>
      ArrayBuffer.isView(value) ? bytesOf(value) : jsonOf(value),
    ),
  );
}

function bytesOf(view: ArrayBufferView): number[] {
  return [...new Uint8Array(view.buffer, view.byteOffset, view.byteLength)];
}

/** A Buffer has become `{ type, data }` by the time a replacer sees it. */
function jsonOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'data' in value ? value.data : value;
}
