import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { RtmpMessage } from '../message-type.ts';
import { cutAt, fuzz, FUZZ_RUNS } from '../testdata/fuzz.ts';
import { concat, hex, rawChunk, readChunks } from '../testdata/wire.ts';
import { isRtmpError } from '../rtmp-error.ts';
import { DEFAULT_CHUNK_LIMITS } from './chunk-limits.ts';
import { ChunkReader } from './chunk-reader.ts';
import { ChunkWriter } from './chunk-writer.ts';

const timestamps = fc.oneof(
  fc.integer({ min: 0, max: 5000 }),
  fc.integer({ min: 0xffff00, max: 0x1000100 }),
  fc.integer({ min: 0, max: 0xffffffff }),
);
const messages: fc.Arbitrary<RtmpMessage> = fc.record({
  typeId: fc.constantFrom(8, 9, 18, 20, 22),
  csid: fc.oneof(fc.integer({ min: 3, max: 8 }), fc.constantFrom(63, 64, 319, 320, 65_599)),
  streamId: fc.constantFrom(0, 1, 0xffffffff),
  timestampMs: timestamps,
  payload: fc
    .tuple(fc.integer({ min: 0, max: 700 }), fc.integer({ min: 0, max: 255 }))
    .map(([length, first]) => Uint8Array.from({ length }, (_, i) => (first + i * 7) & 0xff)),
});
const asRow = (m: RtmpMessage): readonly (number | string)[] => [
  m.typeId,
  m.csid,
  m.streamId,
  m.timestampMs,
  Buffer.from(m.payload).toString('hex'),
];
const setChunkSize = (size: number): Uint8Array =>
  rawChunk({ csid: 2, typeId: 1, streamId: 0, payload: hex(size.toString(16).padStart(8, '0')) });
const EXTENDED = 0x1000040;
const SEEDS = [
  concat(
    rawChunk({ csid: 4, typeId: 8, length: 150, payload: new Uint8Array(128) }),
    rawChunk({ csid: 6, length: 140, time: 0xffffff, extended: EXTENDED, payload: new Uint8Array(128) }),
    rawChunk({ csid: 4, fmt: 3, payload: new Uint8Array(22) }),
    rawChunk({ csid: 6, fmt: 3, extended: EXTENDED, payload: new Uint8Array(12) }),
    rawChunk({ csid: 6, fmt: 1, time: 40, typeId: 9, payload: hex('1700') }),
    rawChunk({ csid: 6, fmt: 2, time: 40, payload: hex('2700') }),
    rawChunk({ csid: 6, fmt: 3, payload: hex('2700') }),
  ),
  concat(
    setChunkSize(4),
    rawChunk({ csid: 320, length: 9, payload: hex('01020304') }),
    rawChunk({ csid: 2, typeId: 2, streamId: 0, payload: hex('00000140') }),
    rawChunk({ csid: 64, typeId: 8, payload: hex('aabb') }),
  ),
  concat(
    rawChunk({ csid: 6, length: 131, time: 0xffffff, extended: EXTENDED, payload: new Uint8Array(128) }),
    rawChunk({ csid: 6, fmt: 3, payload: hex('010000') }),
    rawChunk({ csid: 6, fmt: 1, time: 0xffffff, extended: EXTENDED + 20, typeId: 9, payload: hex('1700') }),
  ),
];
const RUNS = Math.min(2000, Math.ceil(FUZZ_RUNS / 50));

describe('chunk reader, properties', () => {
  test('reads what the writer wrote, with any chunk size, split anywhere', () => {
    fc.assert(
      fc.property(
        fc.array(messages, { maxLength: 8 }),
        fc.integer({ min: 1, max: 800 }),
        fc.array(fc.nat(8000), { maxLength: 6 }),
        (sent, chunkSize, cuts) => {
          const writer = new ChunkWriter();
          writer.chunkSize = chunkSize;
          const bytes = concat(setChunkSize(chunkSize), ...sent.map((message) => writer.marshal(message)));
          const reader = new ChunkReader();
          const got = cutAt(bytes, cuts).flatMap((piece) => readChunks(piece, reader));
          expect(got).toEqual(sent.map(asRow));
          expect(reader.partialBytes).toBe(0);
        },
      ),
      { seed: 1, numRuns: RUNS },
    );
  });

  test('the sink may stop anywhere, and reading on from there loses nothing', () => {
    for (const seed of SEEDS) {
      const whole = readChunks(seed);
      for (let cut = 0; cut <= seed.length; cut += 1) {
        const reader = new ChunkReader();
        const got: (readonly (number | string)[])[] = [];
        for (const piece of cutAt(seed, [cut])) {
          for (let rest = piece; rest.length > 0;) {
            rest = rest.subarray(reader.push(rest, (m) => got.push(asRow(m)) < 0));
          }
        }
        expect(got).toEqual(whole);
      }
    }
  });

  test('mutated input gives messages or one named error, the same however it is split, in bounded memory', () => {
    const limits = {
      ...DEFAULT_CHUNK_LIMITS,
      maxPartialBytes: 30_000,
      maxPartialMessages: 2,
      maxMediaBytes: 50_000,
    };
    let cut = 0;
    let errors = 0;
    const runs = fuzz(SEEDS, (bytes) => {
      const summary = (pieces: readonly Uint8Array[]): string => {
        const reader = new ChunkReader({ limits });
        let text = '';
        try {
          for (const piece of pieces) {
            reader.push(piece, (m) => {
              text += `${m.typeId},${m.csid},${m.streamId},${m.timestampMs},${m.payload.length};`;
              return true;
            });
          }
        } catch (error) {
          if (!isRtmpError(error)) throw error;
          text += error.kind;
          errors += 1;
        }
        if (reader.partialBytes > limits.maxPartialBytes)
          throw new Error(`${reader.partialBytes} bytes held`);
        return text;
      };
      cut += 7;
      const whole = summary([bytes]);
      const split = summary(cutAt(bytes, [cut, cut * 3]));
      if (whole !== split) throw new Error(`${whole} but split ${split}`);
    });
    expect(runs).toBeGreaterThanOrEqual(FUZZ_RUNS);
    expect(errors).toBeGreaterThan(runs / 20);
  });
});
