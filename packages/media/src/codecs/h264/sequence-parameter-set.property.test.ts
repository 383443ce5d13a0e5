import { describe, expect, test } from '@jest/globals';
import { ParseError } from '../../parse-error.ts';
import { bitsToBytes, fuzzParser } from '../../testdata/fuzz.ts';
import { parseSequenceParameterSet } from './sequence-parameter-set.ts';

/** All written by x264; what it was told is what has to come out. */
const CASES: readonly { readonly name: string; readonly hex: string; readonly expected: object }[] = [
  {
    name: '1080p59.94 Baseline with cropping, HRD and BT.709',
    hex: '6742c02ada01e0089f97016a020202800001f48000ea603020007a12000f427269403c60ca80',
    expected: {
      id: 0,
      profile: 66,
      constraints: 0xc0,
      level: 42,
      chromaFormat: 1,
      bitDepth: 8,
      chromaBitDepth: 8,
      width: 1920,
      height: 1080,
      isInterlaced: false,
      hasPicStruct: false,
      sampleAspectRatio: { numerator: 1, denominator: 1 },
      color: { primaries: 1, transfer: 1, matrix: 1, isFullRange: false },
      frameRate: { numerator: 60_000, denominator: 1001, isFixed: false },
      maxReorderFrames: 0,
    },
  },
  {
    name: 'interlaced PAL, wide',
    hex: '674d401ef405a126c104000003000400000300c87c50aa80',
    expected: {
      id: 0,
      profile: 77,
      constraints: 0x40,
      level: 30,
      chromaFormat: 1,
      bitDepth: 8,
      chromaBitDepth: 8,
      width: 720,
      height: 576,
      isInterlaced: true,
      hasPicStruct: true,
      sampleAspectRatio: { numerator: 16, denominator: 11 },
      frameRate: { numerator: 25, denominator: 1, isFixed: false },
      maxReorderFrames: 0,
    },
  },
  {
    name: '4:2:2 with 10 bits at 854x480',
    hex: '677a001fb6cb406c1ef37808800001f480007530078c1950',
    expected: {
      id: 0,
      profile: 122,
      constraints: 0,
      level: 31,
      chromaFormat: 2,
      bitDepth: 10,
      chromaBitDepth: 10,
      width: 854,
      height: 480,
      isInterlaced: false,
      hasPicStruct: false,
      sampleAspectRatio: { numerator: 1, denominator: 1 },
      frameRate: { numerator: 30_000, denominator: 1001, isFixed: false },
      maxReorderFrames: 0,
    },
  },
  {
    name: 'monochrome with full range',
    hex: '6764000cf2d02833f1b80b64000003000400000300c83c50aa80',
    expected: {
      id: 0,
      profile: 100,
      constraints: 0,
      level: 12,
      chromaFormat: 0,
      bitDepth: 8,
      chromaBitDepth: 8,
      width: 320,
      height: 180,
      isInterlaced: false,
      hasPicStruct: false,
      sampleAspectRatio: { numerator: 1, denominator: 1 },
      color: { primaries: 2, transfer: 2, matrix: 2, isFullRange: true },
      frameRate: { numerator: 25, denominator: 1, isFixed: false },
      maxReorderFrames: 0,
    },
  },
  {
    name: '4:4:4, cropped by single pixels',
    hex: '67f4000d919681519e3e2f016c800000030080000019078a1550',
    expected: {
      id: 0,
      profile: 244,
      constraints: 0,
      level: 13,
      chromaFormat: 3,
      bitDepth: 8,
      chromaBitDepth: 8,
      width: 322,
      height: 182,
      isInterlaced: false,
      hasPicStruct: false,
      sampleAspectRatio: { numerator: 1, denominator: 1 },
      color: { primaries: 2, transfer: 2, matrix: 2, isFullRange: true },
      frameRate: { numerator: 25, denominator: 1, isFixed: false },
      maxReorderFrames: 0,
    },
  },
];

/** An aspect ratio that is not in the table, of the size ffmpeg reduced 97:101 to. */
const ODD_ASPECT = '6742c01eda0280bfe5ffc01240130400000fa40002ee003c58ba80';

describe('parseSequenceParameterSet', () => {
  test.each(CASES)('reads $name', ({ hex, expected }) => {
    expect(parseSequenceParameterSet(Buffer.from(hex, 'hex'))).toEqual(expected);
  });

  test('reads an aspect ratio that is written out', () => {
    expect(parseSequenceParameterSet(Buffer.from(ODD_ASPECT, 'hex'))).toMatchObject({
      width: 640,
      height: 360,
      sampleAspectRatio: { numerator: 73, denominator: 76 },
      frameRate: { numerator: 24_000, denominator: 1001 },
    });
  });

  test('takes the picture size of an SPS whose VUI is cut, and what the VUI said until then', () => {
    const whole = Buffer.from(CASES[0]?.hex ?? '', 'hex');
    const cut = parseSequenceParameterSet(whole.subarray(0, 17));
    expect(cut).toMatchObject({ width: 1920, height: 1080, color: { primaries: 1 } });
    expect(cut).not.toHaveProperty('frameRate');
  });

  test('refuses a NAL unit of another type', () => {
    expect(() => parseSequenceParameterSet(Uint8Array.of(0x68, 1, 2, 3))).toThrow(ParseError);
  });

  test('refuses a picture that cropping leaves nothing of', () => {
    // Baseline, one macroblock, cropped by 8 units of 2 pixels on the left.
    const fields = [
      '01000010',
      '00000000',
      '00001010',
      '1',
      '1',
      '1',
      '1',
      '010',
      '0',
      '1',
      '1',
      '1',
      '0',
      '1',
    ];
    const bytes = bitsToBytes([...fields, '0001001', '1', '1', '1', '0']);
    expect(() => parseSequenceParameterSet(Uint8Array.of(0x67, ...bytes))).toThrow(
      /cropping leaves no picture/,
    );
  });

  test('gives nothing but a result or ParseError for bad bytes', () => {
    const seeds = [...CASES.map(({ hex }) => hex), ODD_ASPECT].map((hex) => Buffer.from(hex, 'hex'));
    expect(fuzzParser(seeds, parseSequenceParameterSet)).toBeGreaterThan(0);
  });
});
