import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  decimalInteger,
  enumeratedString,
  frameRate,
  marshalAttributes,
  quotedString,
} from './attribute-list.ts';
import { uriLine } from './uri-line.ts';

describe('a quoted string', () => {
  test.each(['', 'Audio', 'mp4a.40.2,avc1.640028', 'Größe 日本 🎬'])('takes %j', (value) => {
    expect(quotedString(value)).toBe(`"${value}"`);
  });

  test.each(['"', 'a"b', 'a\nb', 'a\rb', '\u0000', '\u0085', '\ud800'])('refuses %j', (value) => {
    expect(() => quotedString(value)).toThrow(RangeError);
  });
});

test.each(['', 'a b', 'a,b', '"a"', 'a\n'])('an enumerated string refuses %j', (value) => {
  expect(() => enumeratedString(value)).toThrow(RangeError);
});

test.each([-1, 1.5, Number.NaN, 2 ** 53])('a decimal integer refuses %d', (value) => {
  expect(() => decimalInteger(value)).toThrow(RangeError);
});

test.each([
  [30_000, 1001, '29.970'],
  [60, 1, '60.000'],
  [24_000, 1001, '23.976'],
])('%d/%d frames per second are written %s (M-2)', (numerator, denominator, expected) => {
  expect(frameRate({ numerator, denominator })).toBe(expected);
});

test('attributes without a value are left out, a wrong name is refused', () => {
  expect(marshalAttributes({ A: '1', B: undefined, 'C-D': '"x"' })).toBe('A=1,C-D="x"');
  expect(() => marshalAttributes({ 'a b': '1' })).toThrow(RangeError);
});

test.each(['', '#x', 'a\nb', 'a b', 'ä'])('a URI line refuses %j', (uri) => {
  expect(() => uriLine(uri)).toThrow(RangeError);
});

test('whatever is quoted stays one attribute of one line', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (value) => {
      let written: string;
      try {
        written = marshalAttributes({ NAME: quotedString(value), NEXT: '1' });
      } catch (error) {
        return error instanceof RangeError;
      }
      return /^NAME="[^"\r\n]*",NEXT=1$/.test(written);
    }),
    { seed: 1, numRuns: 1000 },
  );
});
