import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { PROPERTY, fuzzParser } from '../../testdata/fuzz.ts';
import { joinAnnexB, splitAnnexB } from './annex-b.ts';
import { addEmulationPrevention, removeEmulationPrevention } from './emulation-prevention.ts';
import { joinLengthPrefixed, splitLengthPrefixed } from './nal-unit.ts';

const hex = (nals: readonly Uint8Array[]): string[] => nals.map((nal) => Buffer.from(nal).toString('hex'));
/** Payloads with many zeros, where emulation prevention matters. */
const payload = fc.array(fc.constantFrom(0, 0, 0, 1, 2, 3, 4, 255), { minLength: 1, maxLength: 30 });
/** NAL units as encoders make them: a header, no start code inside, and no zero at the end. */
const nal = payload.map((bytes) => addEmulationPrevention(Uint8Array.of(0x65, ...bytes)));

describe('NAL units', () => {
  test('emulation prevention comes off as it went on, and leaves no start code', () => {
    fc.assert(
      fc.property(payload, (bytes) => {
        const made = addEmulationPrevention(Uint8Array.from(bytes));
        expect(Buffer.from(made).toString('hex')).not.toMatch(/^(..)*0000(00|01|02)/);
        const end = bytes.at(-1) === 0 ? made.length - 1 : made.length;
        expect([...removeEmulationPrevention(made.subarray(0, end))]).toEqual(bytes);
      }),
      PROPERTY,
    );
  });

  test('taking emulation prevention off leaves a Buffer as it is', () => {
    const bytes = Buffer.from('6700000301', 'hex');
    expect(Buffer.from(removeEmulationPrevention(bytes)).toString('hex')).toBe('67000001');
    expect(bytes.toString('hex')).toBe('6700000301');
  });

  test.each([1, 2, 4] as const)('lengths of %i bytes: split(join(x)) = x', (lengthSize) => {
    fc.assert(
      fc.property(fc.array(nal, { maxLength: 6 }), (nals) => {
        expect(hex(splitLengthPrefixed(joinLengthPrefixed(nals, lengthSize), lengthSize))).toEqual(hex(nals));
      }),
      PROPERTY,
    );
  });

  test('start codes: split(join(x)) = x, also through lengths and back', () => {
    fc.assert(
      fc.property(fc.array(nal, { maxLength: 6 }), (nals) => {
        const annexB = joinAnnexB(nals);
        expect(hex(splitAnnexB(annexB))).toEqual(hex(nals));
        const lengths = joinLengthPrefixed(splitAnnexB(annexB), 4);
        expect(joinAnnexB(splitLengthPrefixed(lengths, 4)).toString('hex')).toBe(annexB.toString('hex'));
      }),
      PROPERTY,
    );
  });

  test('start codes of three bytes, and zeros between units', () => {
    const bytes = Buffer.from('000000000165aabb000000000141cc00000109f0', 'hex');
    expect(hex(splitAnnexB(bytes))).toEqual(['65aabb', '41cc', '09f0']);
  });

  test('a length that does not fit is an error, an empty unit is left out', () => {
    expect(() => splitLengthPrefixed(Buffer.from('0000000565aa', 'hex'), 4)).toThrow(/5 bytes, 2 left/);
    expect(hex(splitLengthPrefixed(Buffer.from('000000000000000165', 'hex'), 4))).toEqual(['65']);
  });

  test('a NAL unit that its length size cannot say is refused', () => {
    expect(() => joinLengthPrefixed([new Uint8Array(256)], 1)).toThrow(/out of range/);
  });

  test('more units than any picture has are refused', () => {
    expect(() => splitLengthPrefixed(Buffer.alloc(20_000, '0109', 'hex'), 1)).toThrow(/more than 4096/);
  });

  test('bad bytes give nothing but a result or ParseError', () => {
    const nals = [Buffer.from('6742c01e', 'hex'), Buffer.from('68ce', 'hex'), Buffer.alloc(60, 0x65)];
    expect(
      fuzzParser([joinLengthPrefixed(nals, 4)], (bytes) => splitLengthPrefixed(bytes, 4)),
    ).toBeGreaterThan(0);
    expect(fuzzParser([joinAnnexB(nals)], splitAnnexB)).toBeGreaterThan(0);
  });
});
