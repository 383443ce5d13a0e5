import { describe, expect, test } from '@jest/globals';
import { fuzzParser } from '../../testdata/fuzz.ts';
import { inspectAccessUnit, stripDelimitersAndFiller } from './access-unit.ts';
import { marshalAvcDecoderConfiguration, parseAvcDecoderConfiguration } from './avc-decoder-configuration.ts';
import { inBandConfiguration } from './in-band-configuration.ts';
import { joinLengthPrefixed, splitLengthPrefixed } from './nal-unit.ts';

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');
const SPS = bytes('6764000dacd941419f9f0110000003001000000303c0f1429960');
const OTHER_SPS = bytes('674d401ef405a126c104000003000400000300c87c50aa80');
const PPS = bytes('68efbcb0');
/** pic_parameter_set_id 1: the bits 010. */
const PPS_1 = bytes('684fbcb0');
const IDR = bytes('6588840a');
const SLICE = bytes('419a2102');
const DELIMITER = bytes('09f0');
const FILLER = bytes('0cffff80');
const SEI = bytes('0601c080');

const plain = (sets: readonly Uint8Array[]): string[] => sets.map((set) => Buffer.from(set).toString('hex'));
const unit = (...nals: readonly Uint8Array[]): Buffer => joinLengthPrefixed(nals, 4);
const CURRENT = parseAvcDecoderConfiguration(
  bytes(`0164000dffe1001a${SPS.toString('hex')}010004${PPS.toString('hex')}`),
);
const inBand = (...nals: readonly Uint8Array[]) =>
  inBandConfiguration(CURRENT, inspectAccessUnit(unit(...nals), 4));

describe('inspectAccessUnit', () => {
  test('tells an IDR with its parameter sets', () => {
    expect(inspectAccessUnit(unit(DELIMITER, SPS, PPS, SEI, IDR), 4)).toEqual({
      isIdr: true,
      hasSlice: true,
      sps: [SPS],
      pps: [PPS],
      hasDelimiterOrFiller: true,
    });
  });

  test('tells a picture that is no IDR', () => {
    const content = inspectAccessUnit(joinLengthPrefixed([SLICE], 2), 2);
    expect(content).toEqual({ isIdr: false, hasSlice: true, sps: [], pps: [], hasDelimiterOrFiller: false });
  });

  test('tells data without a slice', () => {
    expect(inspectAccessUnit(unit(SPS, PPS), 4)).toMatchObject({ hasSlice: false, isIdr: false });
  });
});

describe('stripDelimitersAndFiller', () => {
  test('keeps all the rest, with lengths of four bytes', () => {
    const stripped = stripDelimitersAndFiller(joinLengthPrefixed([DELIMITER, SPS, SEI, IDR, FILLER], 2), 2);
    expect(splitLengthPrefixed(stripped, 4).map((nal) => Buffer.from(nal))).toEqual([SPS, SEI, IDR]);
  });
});

describe('inBandConfiguration', () => {
  test('is nothing for an IDR without sets, or with the same', () => {
    expect(inBand(IDR)).toBeUndefined();
    expect(inBand(SPS, PPS, IDR)).toBeUndefined();
  });

  test('is nothing for sets in front of another picture', () => {
    expect(inBand(OTHER_SPS, PPS, SLICE)).toBeUndefined();
  });

  test('takes a new SPS and its PPS in place of the old ones', () => {
    const next = inBand(OTHER_SPS, PPS, IDR);
    expect(next).toMatchObject({
      profile: 77,
      level: 30,
      sequenceParameterSets: [OTHER_SPS],
      pictureParameterSets: [PPS],
    });
    expect(next).not.toHaveProperty('high');
    expect(next && marshalAvcDecoderConfiguration(next).subarray(0, 5).toString('hex')).toBe('014d401eff');
  });

  test('takes sets that come alone in their message', () => {
    expect(inBand(OTHER_SPS, PPS)).toMatchObject({ profile: 77, level: 30 });
  });

  test('takes each set once, in memory of its own', () => {
    const next = inBand(OTHER_SPS, OTHER_SPS, PPS, PPS, IDR);
    expect(next?.sequenceParameterSets).toHaveLength(1);
    expect(next?.pictureParameterSets).toHaveLength(1);
    expect(next?.sequenceParameterSets[0]?.buffer.byteLength).toBe(OTHER_SPS.length);
  });

  test('refuses more sets than avcC can hold', () => {
    const many = Array.from({ length: 32 }, (_, index) =>
      Buffer.concat([OTHER_SPS, Uint8Array.of(index + 1)]),
    );
    expect(() => inBand(...many, PPS, IDR)).toThrow(/too many/);
  });

  test('adds a PPS with another id to those that are there', () => {
    expect(plain(inBand(PPS_1, IDR)?.pictureParameterSets ?? [])).toEqual(plain([PPS, PPS_1]));
  });

  test('puts a changed PPS with the same id in place of the old one', () => {
    const changed = bytes('68efbcb1');
    expect(plain(inBand(changed, IDR)?.pictureParameterSets ?? [])).toEqual(plain([changed]));
  });
});

test('access units of bad bytes give nothing but a result or ParseError', () => {
  const seeds = [
    unit(DELIMITER, OTHER_SPS, PPS_1, IDR, FILLER),
    unit(SPS, PPS, SEI, IDR),
    unit(OTHER_SPS, PPS),
  ];
  const parse = (input: Uint8Array): void => {
    const next = inBandConfiguration(CURRENT, inspectAccessUnit(input, 4));
    if (next !== undefined) marshalAvcDecoderConfiguration(next);
    stripDelimitersAndFiller(input, 4);
  };
  expect(fuzzParser(seeds, parse)).toBeGreaterThan(0);
});
