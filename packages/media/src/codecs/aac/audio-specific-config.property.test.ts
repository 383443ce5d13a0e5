import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { PROPERTY, bitsToBytes, fuzzParser } from '../../testdata/fuzz.ts';
import {
  AAC_SAMPLE_RATES,
  aacCodecString,
  marshalAudioSpecificConfig,
  parseAudioSpecificConfig,
} from './audio-specific-config.ts';
import type { AudioSpecificConfig } from './audio-specific-config.ts';

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');
const rate = fc.oneof(fc.constantFrom(...AAC_SAMPLE_RATES), fc.integer({ min: 1, max: 0xff_ffff }));
const CHANNELS = [1, 2, 3, 4, 5, 6, 8] as const;
const config: fc.Arbitrary<AudioSpecificConfig> = fc
  .record({
    objectType: fc.constantFrom(1, 2, 3, 4),
    sampleRate: rate,
    channelConfiguration: fc.integer({ min: 1, max: 7 }),
    samplesPerFrame: fc.constantFrom(1024 as const, 960 as const),
    sbr: fc.option(fc.record({ sampleRate: rate, hasPs: fc.boolean(), isHierarchical: fc.boolean() }), {
      nil: undefined,
    }),
  })
  .map(({ sbr, ...base }) => ({
    ...base,
    channelCount: CHANNELS[base.channelConfiguration - 1] ?? 0,
    ...(sbr === undefined ? {} : { sbr }),
  }));

describe('AudioSpecificConfig', () => {
  test('parse(marshal(x)) = x', () => {
    fc.assert(
      fc.property(config, (value) => {
        expect(parseAudioSpecificConfig(marshalAudioSpecificConfig(value))).toEqual(value);
      }),
      PROPERTY,
    );
  });

  test.each([
    ['AAC-LC 48 kHz stereo', '1190', { objectType: 2, sampleRate: 48_000, channelCount: 2 }, 'mp4a.40.2'],
    ['AAC-LC 44.1 kHz mono', '1208', { objectType: 2, sampleRate: 44_100, channelCount: 1 }, 'mp4a.40.2'],
    ['AAC-LC that says it has no SBR', '119056e500', { objectType: 2, sampleRate: 48_000 }, 'mp4a.40.2'],
    [
      'HE-AAC with hierarchical signalling',
      '2b118800',
      { objectType: 2, sampleRate: 24_000, sbr: { sampleRate: 48_000, hasPs: false, isHierarchical: true } },
      'mp4a.40.5',
    ],
    [
      'HE-AAC with backward-compatible signalling',
      '131056e598',
      { objectType: 2, sampleRate: 24_000, sbr: { sampleRate: 48_000, hasPs: false, isHierarchical: false } },
      'mp4a.40.5',
    ],
    [
      'HE-AAC v2',
      'eb098800',
      { objectType: 2, sampleRate: 24_000, channelCount: 1, sbr: { sampleRate: 48_000, hasPs: true } },
      'mp4a.40.29',
    ],
  ])('reads %s', (_, hex, expected, codec) => {
    const parsed = parseAudioSpecificConfig(bytes(hex));
    expect(parsed).toMatchObject(expected);
    expect(aacCodecString(parsed)).toBe(codec);
  });

  test('counts the channels of a program config element', () => {
    // AAC-LC 48 kHz, configuration 0; one pair in front, one channel at the back, one LFE; no comment.
    const head = [
      '00010',
      '0011',
      '0000',
      '000',
      '0000',
      '01',
      '0011',
      '0001',
      '0000',
      '0001',
      '01',
      '000',
      '0000',
    ];
    const elements = ['0', '0', '0', '1', '0000', '0', '0000', '0000'];
    const pce = Buffer.concat([bitsToBytes([...head, ...elements]), Uint8Array.of(0)]);
    expect(parseAudioSpecificConfig(pce)).toMatchObject({
      channelConfiguration: 0,
      channelCount: 4,
      sampleRate: 48_000,
    });
  });

  test('refuses what is not AAC, and what says nothing', () => {
    expect(() => parseAudioSpecificConfig(bytes('f94640'))).toThrow(/audio object type/);
    expect(() => parseAudioSpecificConfig(bytes('11'))).toThrow(/truncated/);
    expect(() => parseAudioSpecificConfig(bytes('1680'))).toThrow(/sampling frequency index 13/);
  });

  test('cannot marshal a channel list', () => {
    const value = {
      objectType: 2,
      sampleRate: 48_000,
      channelConfiguration: 0,
      channelCount: 4,
      samplesPerFrame: 1024,
    } as const;
    expect(() => marshalAudioSpecificConfig(value)).toThrow(RangeError);
  });

  test('gives nothing but a result or ParseError for bad bytes', () => {
    const seeds = ['1190', '119056e500', '2b118800', '131056e598', 'eb098800', '110004c8440000'].map(bytes);
    expect(fuzzParser(seeds, parseAudioSpecificConfig)).toBeGreaterThan(0);
  });
});
