import { describe, expect, test } from '@jest/globals';
import { hex, concat, rawChunk, readChunks } from '../testdata/wire.ts';
import { DEFAULT_CHUNK_LIMITS } from './chunk-limits.ts';
import { ChunkReader } from './chunk-reader.ts';

const chunkSize = (bytes: number): Uint8Array =>
  rawChunk({ csid: 2, typeId: 1, streamId: 0, payload: hex(bytes.toString(16).padStart(8, '0')) });
const abort = (csid: number): Uint8Array =>
  rawChunk({ csid: 2, typeId: 2, streamId: 0, payload: hex(csid.toString(16).padStart(8, '0')) });
const zeros = (n: number): Uint8Array => new Uint8Array(n);
const T = 0x01000010;

interface Case {
  readonly name: string;
  readonly chunks: readonly Uint8Array[];
  /** type, csid, stream id, timestamp, payload; or the kind of the error. */
  readonly messages: readonly (readonly (number | string)[])[];
}

const cases: readonly Case[] = [
  {
    name: 'csid 63 takes one byte (R1 5.3.1.1)',
    chunks: [rawChunk({ csid: 63, payload: hex('aa') })],
    messages: [[9, 63, 1, 0, 'aa']],
  },
  {
    name: 'csid 64 and 319 take two bytes; gortmplib refuses them',
    chunks: [rawChunk({ csid: 64, payload: hex('aa') }), rawChunk({ csid: 319, payload: hex('bb') })],
    messages: [
      [9, 64, 1, 0, 'aa'],
      [9, 319, 1, 0, 'bb'],
    ],
  },
  {
    name: 'csid 320 and 65599 take three bytes, little-endian; Node-Media-Server computes them wrongly',
    chunks: [hex('01 0001 000000 000001 09 01000000 aa'), rawChunk({ csid: 65_599, payload: hex('bb') })],
    messages: [
      [9, 320, 1, 0, 'aa'],
      [9, 65_599, 1, 0, 'bb'],
    ],
  },
  {
    name: 'csid 64 in its two forms is one chunk stream',
    chunks: [
      rawChunk({ csid: 64, form: 2, payload: hex('aa') }),
      rawChunk({ csid: 64, form: 3, fmt: 3, payload: hex('bb') }),
    ],
    messages: [
      [9, 64, 1, 0, 'aa'],
      [9, 64, 1, 0, 'bb'],
    ],
  },
  {
    name: 'the message stream id is little-endian (R1 5.3.1.2.1)',
    chunks: [hex('04 000000 000001 08 01020304 aa')],
    messages: [[8, 4, 0x04030201, 0, 'aa']],
  },
  {
    name: 'fmt 1 adds a delta and keeps the stream id, fmt 2 keeps length and type as well',
    chunks: [
      rawChunk({ time: 1000, payload: hex('aa') }),
      rawChunk({ fmt: 1, time: 40, typeId: 8, payload: hex('bbbb') }),
      rawChunk({ fmt: 2, time: 20, payload: hex('cccc') }),
    ],
    messages: [
      [9, 4, 1, 1000, 'aa'],
      [8, 4, 1, 1040, 'bbbb'],
      [8, 4, 1, 1060, 'cccc'],
    ],
  },
  {
    name: 'fmt 3 with no message in progress starts one and applies the delta again (R1 5.3.1.2.4)',
    chunks: [
      rawChunk({ time: 1000, payload: hex('aa') }),
      rawChunk({ fmt: 2, time: 20, payload: hex('bb') }),
      rawChunk({ fmt: 3, payload: hex('cc') }),
      rawChunk({ fmt: 3, payload: hex('dd') }),
    ],
    messages: [
      [9, 4, 1, 1000, 'aa'],
      [9, 4, 1, 1020, 'bb'],
      [9, 4, 1, 1040, 'cc'],
      [9, 4, 1, 1060, 'dd'],
    ],
  },
  {
    name: 'fmt 3 behind fmt 0 takes the timestamp as the delta (R1 5.3.1.2.4)',
    chunks: [rawChunk({ time: 1000, payload: hex('aa') }), rawChunk({ fmt: 3, payload: hex('bb') })],
    messages: [
      [9, 4, 1, 1000, 'aa'],
      [9, 4, 1, 2000, 'bb'],
    ],
  },
  {
    name: 'a fresh csid may start with fmt 1, as the ping of librtmp does',
    chunks: [rawChunk({ csid: 2, fmt: 1, time: 0, typeId: 4, payload: hex('000600000001') })],
    messages: [[4, 2, 0, 0, '000600000001']],
  },
  {
    name: 'a fresh csid may not start with fmt 2',
    chunks: [rawChunk({ fmt: 2, payload: hex('aa') })],
    messages: [['CHUNK_WITHOUT_HEADER']],
  },
  {
    name: 'a fresh csid may not start with fmt 3',
    chunks: [rawChunk({ fmt: 3, payload: hex('aa') })],
    messages: [['CHUNK_WITHOUT_HEADER']],
  },
  {
    name: 'fmt 0 inside a message is an error, as in SRS',
    chunks: [rawChunk({ length: 200, payload: zeros(128) }), rawChunk({ length: 200, payload: zeros(72) })],
    messages: [['CHUNK_INSIDE_MESSAGE']],
  },
  {
    name: 'a length that changes inside a message is an error (FFmpeg CVE-2016-10191)',
    chunks: [
      rawChunk({ length: 200, payload: zeros(128) }),
      rawChunk({ fmt: 1, length: 5000, payload: zeros(72) }),
    ],
    messages: [['MESSAGE_LENGTH_CHANGED']],
  },
  {
    name: 'a type that changes inside a message is an error',
    chunks: [
      rawChunk({ length: 200, payload: zeros(128) }),
      rawChunk({ fmt: 1, length: 200, typeId: 8, payload: zeros(72) }),
    ],
    messages: [['MESSAGE_LENGTH_CHANGED']],
  },
  {
    name: 'fmt 1 inside a message, with the same length, continues it and leaves its time alone',
    chunks: [
      rawChunk({ time: 7, length: 129, payload: zeros(128) }),
      rawChunk({ fmt: 1, time: 9, length: 129, payload: hex('aa') }),
    ],
    messages: [[9, 4, 1, 7, `${'00'.repeat(128)}aa`]],
  },
  {
    name: 'an empty message is a message: some encoders send empty audio for silence',
    chunks: [rawChunk({ typeId: 8, time: 5 }), rawChunk({ fmt: 3 })],
    messages: [
      [8, 4, 1, 5, ''],
      [8, 4, 1, 10, ''],
    ],
  },
  {
    name: 'chunk size takes effect at once, between interleaved chunks of another message',
    chunks: [
      rawChunk({ csid: 6, length: 300, payload: zeros(128) }),
      chunkSize(200),
      rawChunk({ csid: 6, fmt: 3, payload: zeros(172) }),
    ],
    messages: [[9, 6, 1, 0, '00'.repeat(300)]],
  },
  {
    name: 'chunk size 0 is refused (srs#541)',
    chunks: [chunkSize(0)],
    messages: [['CHUNK_SIZE_INVALID']],
  },
  {
    name: 'chunk size with the high bit is refused (R1 5.4.1)',
    chunks: [chunkSize(0x80000000)],
    messages: [['CHUNK_SIZE_INVALID']],
  },
  {
    name: 'chunk size 1 is legal, and so is any below 128, which SRS refuses (srs#160)',
    chunks: [
      chunkSize(1),
      rawChunk({ length: 2, payload: hex('aa') }),
      rawChunk({ fmt: 3, payload: hex('bb') }),
    ],
    messages: [[9, 4, 1, 0, 'aabb']],
  },
  {
    name: 'chunk size 0x7fffffff is legal and means no chunks',
    chunks: [chunkSize(0x7fffffff), rawChunk({ payload: zeros(1000) })],
    messages: [[9, 4, 1, 0, '00'.repeat(1000)]],
  },
  {
    name: 'a chunk size on another csid and stream id counts, as gortmplib tests',
    chunks: [
      rawChunk({ csid: 5, typeId: 1, streamId: 77, payload: hex('00000100') }),
      rawChunk({ payload: zeros(200) }),
    ],
    messages: [[9, 4, 1, 0, '00'.repeat(200)]],
  },
  {
    name: 'abort drops the partial message, and the csid goes on (R1 5.4.2)',
    chunks: [
      rawChunk({ csid: 6, length: 200, payload: zeros(128) }),
      abort(6),
      rawChunk({ csid: 6, time: 3, payload: hex('aa') }),
    ],
    messages: [[9, 6, 1, 3, 'aa']],
  },
  {
    name: 'abort of a csid that was never used is harmless',
    chunks: [abort(9), rawChunk({ payload: hex('aa') })],
    messages: [[9, 4, 1, 0, 'aa']],
  },
  {
    name: 'an abort that is too short is malformed',
    chunks: [rawChunk({ csid: 2, typeId: 2, payload: hex('00') })],
    messages: [['CONTROL_MALFORMED']],
  },
  {
    name: 'messages of three chunk streams interleave',
    chunks: [
      rawChunk({ csid: 4, typeId: 8, length: 130, payload: zeros(128) }),
      rawChunk({ csid: 6, length: 129, payload: zeros(128) }),
      rawChunk({ csid: 3, typeId: 20, streamId: 0, payload: hex('cc') }),
      rawChunk({ csid: 6, fmt: 3, payload: hex('bb') }),
      rawChunk({ csid: 4, fmt: 3, payload: hex('aaaa') }),
    ],
    messages: [
      [20, 3, 0, 0, 'cc'],
      [9, 6, 1, 0, `${'00'.repeat(128)}bb`],
      [8, 4, 1, 0, `${'00'.repeat(128)}aaaa`],
    ],
  },
  {
    name: 'a timestamp of 0xfffffe needs no extension, 0xffffff has one (R1 5.3.1.3)',
    chunks: [
      rawChunk({ time: 0xfffffe, payload: hex('aa') }),
      rawChunk({ time: 0xffffff, extended: 0xffffff, payload: hex('bb') }),
    ],
    messages: [
      [9, 4, 1, 0xfffffe, 'aa'],
      [9, 4, 1, 0xffffff, 'bb'],
    ],
  },
  {
    name: 'fmt 3 repeats the extended timestamp (R1 5.3.1.3)',
    chunks: [
      rawChunk({ time: 0xffffff, extended: T, length: 130, payload: zeros(128) }),
      rawChunk({ fmt: 3, extended: T, payload: hex('aabb') }),
    ],
    messages: [[9, 4, 1, T, `${'00'.repeat(128)}aabb`]],
  },
  {
    name: 'quirk A: fmt 3 without the extended timestamp (librtmp, rtmpdump, OBS before obs-studio#10097)',
    chunks: [
      rawChunk({ time: 0xffffff, extended: T, length: 134, payload: zeros(128) }),
      rawChunk({ fmt: 3, payload: hex('aabbccddeeff') }),
    ],
    messages: [[9, 4, 1, T, `${'00'.repeat(128)}aabbccddeeff`]],
  },
  {
    name: 'quirk A with fewer payload bytes left than an extended timestamp has',
    chunks: [
      rawChunk({ time: 0xffffff, extended: T, length: 129, payload: zeros(128) }),
      rawChunk({ fmt: 3, payload: hex('aa') }),
      rawChunk({ csid: 5, typeId: 8, payload: hex('bb') }),
    ],
    messages: [
      [9, 4, 1, T, `${'00'.repeat(128)}aa`],
      [8, 5, 1, 0, 'bb'],
    ],
  },
  {
    name: 'quirk B: fmt 1 with an absolute extended timestamp (SRS: enhanced-rtmp#42, srs#4356)',
    chunks: [
      rawChunk({ time: 0xfffff0, payload: hex('aa') }),
      rawChunk({ fmt: 1, time: 0xffffff, extended: T, length: 129, payload: zeros(128) }),
      rawChunk({ fmt: 3, extended: T, payload: hex('bb') }),
      rawChunk({ fmt: 1, time: 0xffffff, extended: T + 40, payload: hex('cc') }),
    ],
    messages: [
      [9, 4, 1, 0xfffff0, 'aa'],
      [9, 4, 1, T, `${'00'.repeat(128)}bb`],
      [9, 4, 1, T + 40, 'cc'],
    ],
  },
  {
    name: 'fmt 1 with an extended delta, by the specification: a jump of more than 4.6 hours',
    chunks: [
      rawChunk({ time: 880, payload: hex('aa') }),
      // FFmpeg's end-of-sequence tag at 2147483608 behind 880.
      rawChunk({ fmt: 1, time: 0xffffff, extended: 2_147_483_608 - 880, payload: hex('bb') }),
    ],
    messages: [
      [9, 4, 1, 880, 'aa'],
      [9, 4, 1, 2_147_483_608, 'bb'],
    ],
  },
  {
    name: 'a mid-message fmt 3 may repeat the absolute time instead of the delta',
    chunks: [
      rawChunk({ time: 1000, payload: hex('aa') }),
      rawChunk({ fmt: 1, time: 0xffffff, extended: 0x2000000, length: 129, payload: zeros(128) }),
      rawChunk({ fmt: 3, extended: 0x2000000 + 1000, payload: hex('bb') }),
    ],
    messages: [
      [9, 4, 1, 1000, 'aa'],
      [9, 4, 1, 0x2000000 + 1000, `${'00'.repeat(128)}bb`],
    ],
  },
  {
    name: 'time wraps at 2^32 (49.7 days)',
    chunks: [
      rawChunk({ time: 0xffffff, extended: 0xfffffff0, payload: hex('aa') }),
      rawChunk({ fmt: 2, time: 0x20, payload: hex('bb') }),
    ],
    messages: [
      [9, 4, 1, 0xfffffff0, 'aa'],
      [9, 4, 1, 0x10, 'bb'],
    ],
  },
  {
    name: 'a command longer than 64 KiB is refused by its header',
    chunks: [rawChunk({ csid: 3, typeId: 20, length: 65_537, payload: zeros(1) })],
    messages: [['MESSAGE_TOO_LARGE']],
  },
  {
    name: 'a video message of 16 MB is refused by its header',
    chunks: [rawChunk({ length: 0xffffff, payload: zeros(1) })],
    messages: [['MESSAGE_TOO_LARGE']],
  },
  {
    name: 'a control message longer than any has use for is refused',
    chunks: [rawChunk({ csid: 2, typeId: 4, length: 1025, payload: zeros(1) })],
    messages: [['MESSAGE_TOO_LARGE']],
  },
];

describe('chunk reader', () => {
  test.each(cases)('$name', ({ chunks, messages }) => {
    expect(readChunks(concat(...chunks))).toEqual(messages);
  });

  test.each(cases)('$name; byte by byte', ({ chunks, messages }) => {
    const reader = new ChunkReader();
    const got: (readonly (number | string)[])[] = [];
    for (const byte of concat(...chunks)) {
      got.push(...readChunks(Uint8Array.of(byte), reader));
      if (got.at(-1)?.length === 1) break;
    }
    expect(got).toEqual(messages);
  });

  test('quirk A keeps the bytes that looked like a timestamp until the next input came', () => {
    const reader = new ChunkReader();
    const bytes = concat(
      rawChunk({ time: 0xffffff, extended: T, length: 131, payload: zeros(128) }),
      rawChunk({ fmt: 3, payload: hex('010000') }),
    );
    expect(readChunks(bytes, reader)).toEqual([]);
    expect(readChunks(rawChunk({ csid: 5, typeId: 8, payload: hex('bb') }), reader)).toEqual([
      [9, 4, 1, T, `${'00'.repeat(128)}010000`],
      [8, 5, 1, 0, 'bb'],
    ]);
  });

  test('a sink that stops inside bytes kept from the last input loses none of them', () => {
    const reader = new ChunkReader();
    const first = concat(
      rawChunk({ time: 0xffffff, extended: T, length: 129, payload: zeros(128) }),
      // Payload 01 and the first byte of the next header, which look like the timestamp 01000010 so far.
      hex('c4 01 00'),
    );
    expect(reader.push(first, () => true)).toBe(first.length);
    const stopped: number[][] = [];
    const stop = ({ typeId, csid }: { typeId: number; csid: number }): boolean => {
      stopped.push([typeId, csid]);
      return false;
    };
    const rest = hex('00 000000 000001 08 01000000 bb');
    expect(reader.push(rest, stop)).toBe(0);
    expect(reader.push(rest, stop)).toBe(rest.length);
    expect(stopped).toEqual([
      [9, 4],
      [8, 64],
    ]);
  });

  test('a message that came whole is measured as if it had been cut', () => {
    const limits = { ...DEFAULT_CHUNK_LIMITS, maxPartialBytes: 100_000 };
    const before = concat(
      rawChunk({ csid: 2, typeId: 1, payload: hex('00010000') }),
      rawChunk({ csid: 4, length: 70_000, payload: zeros(65_536) }),
    );
    const whole = rawChunk({ csid: 5, payload: zeros(40_000) });
    for (const pieces of [[whole], [whole.subarray(0, 39_000), whole.subarray(39_000)]]) {
      const reader = new ChunkReader({ limits });
      expect([before, ...pieces].flatMap((piece) => readChunks(piece, reader))).toEqual([
        ['PARTIAL_BYTES_EXCEEDED'],
      ]);
    }
  });

  test('header bytes for 8 MB take no memory before the payload comes', () => {
    const reader = new ChunkReader();
    for (let csid = 3; csid < 19; csid += 1) {
      reader.push(rawChunk({ csid, length: 8 * 1024 * 1024, payload: zeros(128) }), () => true);
    }
    expect(reader.partialBytes).toBe(16 * 16 * 1024);
  });

  test('the seventeenth partial message is refused, however short', () => {
    const reader = new ChunkReader();
    const partial = (csid: number): Uint8Array => rawChunk({ csid, length: 200, payload: zeros(128) });
    for (let csid = 3; csid < 19; csid += 1) expect(readChunks(partial(csid), reader)).toEqual([]);
    expect(readChunks(partial(19), reader)).toEqual([['TOO_MANY_PARTIAL_MESSAGES']]);
  });

  test('more chunk streams than the cap are refused', () => {
    const reader = new ChunkReader({ limits: { ...DEFAULT_CHUNK_LIMITS, maxChunkStreams: 2 } });
    const bytes = [3, 4, 5].map((csid) => rawChunk({ csid, payload: hex('aa') }));
    expect(readChunks(concat(...bytes), reader).map((m) => m[1] ?? m[0])).toEqual([
      3,
      4,
      'TOO_MANY_CHUNK_STREAMS',
    ]);
  });

  test('partial messages together stay below the byte budget', () => {
    const reader = new ChunkReader({ limits: { ...DEFAULT_CHUNK_LIMITS, maxPartialBytes: 100_000 } });
    const bytes = concat(
      rawChunk({ csid: 2, typeId: 1, payload: hex('00010000') }),
      rawChunk({ csid: 4, length: 70_000, payload: zeros(65_536) }),
      rawChunk({ csid: 5, length: 70_000, payload: zeros(65_536) }),
    );
    expect(readChunks(bytes, reader)).toEqual([['PARTIAL_BYTES_EXCEEDED']]);
  });

  test('a finished message gives its budget back', () => {
    const reader = new ChunkReader();
    readChunks(
      concat(rawChunk({ length: 129, payload: zeros(128) }), rawChunk({ fmt: 3, payload: zeros(1) })),
      reader,
    );
    expect(reader.partialBytes).toBe(0);
  });

  test('an abort gives the budget back', () => {
    const reader = new ChunkReader();
    readChunks(rawChunk({ length: 129, payload: zeros(128) }), reader);
    expect(reader.partialBytes).toBe(129);
    readChunks(abort(4), reader);
    expect(reader.partialBytes).toBe(0);
  });

  test('a payload is a slice of a transferred input when that does not keep much more alive', () => {
    const payloads: Uint8Array[] = [];
    const input = concat(rawChunk({ payload: zeros(100) }), rawChunk({ payload: zeros(20) }));
    new ChunkReader({ inputIsTransferred: true }).push(input, (m) => payloads.push(m.payload) > 0);
    expect(payloads.map((payload) => payload.buffer === input.buffer)).toEqual([true, false]);
  });

  test('a payload never shares memory with an input that the caller may use again', () => {
    const input = rawChunk({ payload: hex('aabb') });
    const payloads: Uint8Array[] = [];
    new ChunkReader().push(input, (m) => payloads.push(m.payload) > 0);
    input.fill(0);
    expect(payloads.map((payload) => Buffer.from(payload).toString('hex'))).toEqual(['aabb']);
  });

  test('the offset of an error counts from the start of the connection', () => {
    const reader = new ChunkReader({ offset: 3073 });
    const chunk = rawChunk({ payload: hex('aa') });
    reader.push(chunk.subarray(0, 5), () => true);
    reader.push(chunk.subarray(5), () => true);
    expect(() => reader.push(hex('c9 00'), () => true)).toThrow(
      expect.objectContaining({ kind: 'CHUNK_WITHOUT_HEADER', offset: 3073 + 13 }),
    );
  });
});
