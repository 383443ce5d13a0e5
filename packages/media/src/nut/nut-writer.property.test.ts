import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { PROPERTY } from '../testdata/fuzz.ts';
import { nutCrc } from './crc.ts';
import { NutWriter } from './nut-writer.ts';
import type { NutAudioTrack, NutFrame, NutVideoTrack } from './nut-writer.ts';
import { varintBytes, writeVarint } from './varint.ts';

const VIDEO: NutVideoTrack = {
  kind: 'video',
  timescale: 90_000,
  decoderConfig: Buffer.from('0142c01e', 'hex'),
  width: 1280,
  height: 720,
  sampleAspectRatio: { numerator: 4, denominator: 3 },
  reorderDepth: 2,
};
const AUDIO: NutAudioTrack = {
  kind: 'audio',
  timescale: 44_100,
  decoderConfig: Buffer.from('1208', 'hex'),
  sampleRate: 44_100,
  channelCount: 1,
};

/** Reads `v`s one after another, the way the specification words it. */
const readerOf = (bytes: Buffer) => {
  let at = 0;
  const v = (): number => {
    let value = 0;
    for (;;) {
      const byte = bytes.readUInt8(at);
      at += 1;
      value = value * 128 + (byte & 0x7f);
      if (byte < 0x80) return value;
    }
  };
  const take = (count: number): Buffer => {
    at += count;
    return bytes.subarray(at - count, at);
  };
  return {
    v,
    take,
    list: (count: number) => Array.from({ length: count }, v),
    left: () => bytes.length - at,
  };
};

/** The packets of a header: start code and content, checksums verified. */
const packetsOf = (header: Buffer): { code: string; content: Buffer }[] => {
  const reader = readerOf(header);
  expect(reader.take(25).toString('latin1')).toBe('nut/multimedia container\0');
  const packets = [];
  while (reader.left() > 0) {
    const code = reader.take(8).toString('hex');
    const size = reader.v();
    if (size > 4096) reader.take(4);
    const content = reader.take(size - 4);
    expect(reader.take(4).readUInt32BE()).toBe(nutCrc(content));
    packets.push({ code, content });
  }
  return packets;
};

describe('NutWriter', () => {
  test('the checksum is CRC-32 of POSIX without the inversion', () => {
    expect(nutCrc(Buffer.from('123456789'))).toBe(0x89a1_897f);
  });

  test('a v is as long as it says, and reads back', () => {
    fc.assert(
      fc.property(fc.nat(Number.MAX_SAFE_INTEGER), (value) => {
        const bytes = Buffer.alloc(8);
        expect(writeVarint(bytes, 0, value)).toBe(varintBytes(value));
        expect(readerOf(bytes).v()).toBe(value);
      }),
      PROPERTY,
    );
  });

  test('the header has the time bases, the frame codes, pipe mode, and one syncpoint at the end', () => {
    const [main, video, audio, syncpoint, ...more] = packetsOf(new NutWriter([VIDEO, AUDIO]).header());
    expect(more).toEqual([]);
    expect(main?.code).toBe('4e4d7a561f5f04ad');
    const mainReader = readerOf(main?.content ?? Buffer.alloc(0));
    expect(mainReader.list(9)).toEqual([4, 0, 2, 65_536, 2, 1, 90_000, 1, 44_100]);
    const [flags, keyFlags] = [8 + 16 + 32 + 64, 1 + 8 + 16 + 32 + 64];
    expect(mainReader.list(8)).toEqual([flags, 6, 0, 1, 0, 0, 0, 1]);
    expect(mainReader.list(8)).toEqual([keyFlags, 6, 0, 1, 0, 0, 0, 1]);
    expect(mainReader.list(8)).toEqual([8192, 6, 0, 1, 0, 0, 0, 253]);
    expect(mainReader.list(2)).toEqual([0, 2]);
    expect(mainReader.left()).toBe(0);
    const videoReader = readerOf(video?.content ?? Buffer.alloc(0));
    expect([videoReader.list(3), videoReader.take(4).toString()]).toEqual([[0, 0, 4], 'H264']);
    expect([videoReader.list(6), videoReader.take(4).toString('hex')]).toEqual([
      [0, 1, 0, 2, 0, 4],
      '0142c01e',
    ]);
    expect([videoReader.list(5), videoReader.left()]).toEqual([[1280, 720, 4, 3, 0], 0]);
    const audioReader = readerOf(audio?.content ?? Buffer.alloc(0));
    expect([audioReader.list(3), audioReader.take(2).toString('hex')]).toEqual([[1, 1, 2], 'ff00']);
    expect([audioReader.list(6), audioReader.take(2).toString('hex')]).toEqual([[1, 1, 0, 0, 0, 2], '1208']);
    expect([audioReader.list(3), audioReader.left()]).toEqual([[44_100, 1, 1], 0]);
    expect(syncpoint).toEqual({ code: '4e4be4adeeca4569', content: Buffer.from([0, 0]) });
  });

  test('a configuration that makes the packet long gets a checksum for its header', () => {
    const decoderConfig = new Uint8Array(5000);
    const packets = packetsOf(new NutWriter([{ ...VIDEO, decoderConfig }]).header());
    expect(packets.map(({ content }) => content.length > 4096)).toEqual([false, true, false]);
  });

  test('a frame reads back whole', () => {
    const frame = fc.record<NutFrame>({
      trackIndex: fc.nat(1),
      pts: fc.oneof(fc.nat(100), fc.nat(Number.MAX_SAFE_INTEGER - 2)),
      isKey: fc.boolean(),
      data: fc.uint8Array({ maxLength: 200 }),
    });
    const writer = new NutWriter([VIDEO, AUDIO]);
    fc.assert(
      fc.property(frame, ({ trackIndex, pts, isKey, data }) => {
        const bytes = writer.frame({ trackIndex, pts, isKey, data });
        const reader = readerOf(bytes);
        expect(reader.v()).toBe(isKey ? 1 : 0);
        // A coded pts from 2^msb_pts_shift on is the whole pts.
        expect(reader.list(3)).toEqual([trackIndex, pts + 2, data.length]);
        expect(reader.take(4).readUInt32BE()).toBe(nutCrc(bytes, 0, bytes.length - 4 - data.length));
        expect([...reader.take(data.length)]).toEqual([...data]);
        expect(reader.left()).toBe(0);
      }),
      PROPERTY,
    );
  });

  test.each([
    ['a track that is not there', { trackIndex: 2, pts: 0 }],
    ['a negative pts', { trackIndex: 0, pts: -1 }],
    ['a pts that is no integer', { trackIndex: 0, pts: 0.5 }],
    ['a pts too large', { trackIndex: 0, pts: Number.MAX_SAFE_INTEGER }],
  ])('refuses %s', (_, { trackIndex, pts }) => {
    const writer = new NutWriter([VIDEO, AUDIO]);
    expect(() => writer.frame({ trackIndex, pts, isKey: true, data: new Uint8Array(1) })).toThrow(RangeError);
  });

  test.each([0, 0.5, 2 ** 31])('refuses timescale %d', (timescale) => {
    expect(() => new NutWriter([{ ...AUDIO, timescale }])).toThrow(RangeError);
  });
});
