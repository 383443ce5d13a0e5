import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { PROPERTY, cutAt, fuzzParser, testMedia } from '../testdata/fuzz.ts';
import { parseAudioTag } from './audio-tag.ts';
import { FlvReader } from './flv-reader.ts';
import type { FlvTag } from './flv-reader.ts';
import { marshalFlvHeader, marshalFlvTag } from './flv-writer.ts';
import { parseVideoTag } from './video-tag.ts';

const FILE = testMedia('b-frames.flv');

const plain = (tags: readonly FlvTag[]) =>
  tags.map((tag) => ({ ...tag, body: Buffer.from(tag.body).toString('hex') }));
const readPieces = (pieces: readonly Uint8Array[]) => {
  const reader = new FlvReader();
  return plain(pieces.flatMap((piece) => reader.push(piece)));
};

describe('FlvReader', () => {
  test('reads what ffmpeg wrote', () => {
    const tags = new FlvReader().push(FILE);
    const kinds = tags.map(({ type, body }) => {
      if (type === 'script') return type;
      return `${type} ${type === 'video' ? parseVideoTag(body).kind : parseAudioTag(body).kind}`;
    });
    expect(kinds.slice(0, 3)).toEqual(['script', 'video configuration', 'audio configuration']);
    expect(kinds.filter((kind) => kind === 'video frame')).toHaveLength(30);
    expect(kinds.at(-1)).toBe('video end');
    expect(tags.at(-1)?.timestampMs).toBeGreaterThan(900);
  });

  test('any split gives the same tags', () => {
    const whole = plain(new FlvReader().push(FILE));
    fc.assert(
      fc.property(fc.array(fc.nat(FILE.length), { maxLength: 30 }), (cuts) => {
        expect(readPieces(cutAt(FILE, cuts))).toEqual(whole);
      }),
      { ...PROPERTY, numRuns: 100 },
    );
    expect(readPieces(Array.from(FILE, (byte) => Uint8Array.of(byte)))).toEqual(whole);
  });

  test('read(write(x)) = x, with all 32 bits of the time', () => {
    const tag = fc.record({
      type: fc.constantFrom('audio' as const, 'video' as const, 'script' as const),
      timestampMs: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      body: fc.uint8Array({ maxLength: 50 }),
    });
    fc.assert(
      fc.property(fc.array(tag, { maxLength: 5 }), (tags) => {
        const bytes = Buffer.concat([
          marshalFlvHeader({ hasAudio: true, hasVideo: true }),
          ...tags.map(marshalFlvTag),
        ]);
        expect(plain(new FlvReader().push(bytes))).toEqual(plain(tags));
      }),
      PROPERTY,
    );
  });

  test('refuses a tag over its limit before it has arrived', () => {
    const head = Buffer.concat([marshalFlvHeader({ hasAudio: true, hasVideo: true }), Buffer.alloc(11)]);
    head.writeUInt8(9, 13);
    head.writeUIntBE(1001, 14, 3);
    expect(() => new FlvReader({ maxTagBytes: 1000 }).push(head)).toThrow(/1001 bytes, at most 1000/);
  });

  test('gives nothing but tags or ParseError for bad bytes', () => {
    const seeds = [FILE.subarray(0, 1200), FILE.subarray(0, 400)];
    expect(fuzzParser(seeds, (bytes) => new FlvReader({ maxTagBytes: 10_000 }).push(bytes))).toBeGreaterThan(
      0,
    );
  });
});
