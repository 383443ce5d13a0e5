import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { PROPERTY, cutAt, fuzzParser, testMedia } from '../testdata/fuzz.ts';
import { FragmentReader } from './fragment-reader.ts';
import type { FragmentEvent } from './fragment-reader.ts';

const FILE = testMedia('video.mp4');
const read = (pieces: readonly Uint8Array[]): FragmentEvent[] => {
  const reader = new FragmentReader();
  return pieces.flatMap((piece) => reader.push(piece));
};
/** A box of a type with so many bytes of content. */
const box = (type: string, contentBytes: number): Buffer => {
  const bytes = Buffer.alloc(8 + contentBytes);
  bytes.writeUInt32BE(bytes.length);
  bytes.write(type, 4, 'latin1');
  return bytes;
};

describe('FragmentReader', () => {
  const whole = read([FILE]);

  test('reads an init segment, then a fragment for each sample', () => {
    expect(whole.map(({ kind }) => kind)).toEqual(['init', ...Array.from({ length: 30 }, () => 'fragment')]);
    expect(Buffer.concat(whole.map(({ bytes }) => bytes)).equals(FILE)).toBe(true);
  });

  test('any split gives the same events', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(FILE.length), { maxLength: 30 }), (cuts) => {
        expect(read(cutAt(FILE, cuts))).toEqual(whole);
      }),
      { ...PROPERTY, numRuns: 100 },
    );
    expect(read(Array.from(FILE, (byte) => Uint8Array.of(byte)))).toEqual(whole);
  });

  test('samples stay as they were while more is read', () => {
    const reader = new FragmentReader();
    const events = cutAt(FILE, [1500, 1510, 2800]).flatMap((piece) => reader.push(piece));
    expect(events).toEqual(whole);
  });

  test('does not copy what lies in one chunk', () => {
    const [, fragment] = new FragmentReader().push(FILE);
    expect(fragment?.bytes.buffer).toBe(FILE.buffer);
  });

  test('boxes between fragments that say nothing to us are dropped', () => {
    const reader = new FragmentReader({ maxBytes: 100 });
    for (let count = 0; count < 100; count += 1) expect(reader.push(box('free', 50))).toEqual([]);
  });

  test('refuses a unit over its limit before it has arrived', () => {
    const head = box('mdat', 1000).subarray(0, 8);
    expect(() => new FragmentReader({ maxBytes: 1000 }).push(head)).toThrow(/1008 bytes, at most 1000/);
    const reader = new FragmentReader({ maxBytes: 1000 });
    reader.push(box('moof', 600));
    expect(() => reader.push(box('mdat', 500).subarray(0, 8))).toThrow(/at most 1000/);
  });

  test('refuses a box without an end', () => {
    expect(() => new FragmentReader().push(Buffer.alloc(8))).toThrow(/a box of 0 bytes/);
  });

  test('gives nothing but events or ParseError for bad bytes', () => {
    const seeds = [FILE.subarray(0, 1600), FILE.subarray(whole[0]?.bytes.length ?? 0, 2600)];
    const parse = (bytes: Uint8Array) => new FragmentReader({ maxBytes: 10_000 }).push(bytes);
    expect(fuzzParser(seeds, parse)).toBeGreaterThan(0);
  });
});
