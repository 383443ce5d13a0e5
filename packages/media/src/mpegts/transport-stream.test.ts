import { describe, expect, test } from '@jest/globals';
import { parseFragment } from '../isobmff/fragment-parser.ts';
import { parseInitSegment } from '../isobmff/init-parser.ts';
import { testMedia } from '../testdata/fuzz.ts';
import { splitMovie } from './split-movie.ts';
import { crc32Mpeg } from './crc32.ts';
import type { TsTrack } from './elementary-streams.ts';
import { to90kHz } from './elementary-streams.ts';
import { muxTransportStream } from './transport-stream.ts';

const PACKET = 188;

/** A track of the test media, cut into segments of so many fragments. */
function segmentsOf(name: string, perSegment: number): TsTrack[] {
  const { init, fragments } = splitMovie(testMedia(name));
  const { kind, decoderConfig, timescale } = parseInitSegment(init);
  const parsed = fragments.map(parseFragment);
  const segments: TsTrack[] = [];
  for (let at = 0; at < parsed.length; at += perSegment)
    segments.push({ kind, decoderConfig, timescale, fragments: parsed.slice(at, at + perSegment) });
  return segments;
}

interface Demuxed {
  readonly pid: number;
  readonly payload: Buffer;
  readonly isStart: boolean;
  readonly counter: number;
  readonly pcr: number | undefined;
}

function packetsOf(bytes: Buffer): Demuxed[] {
  expect(bytes.length % PACKET).toBe(0);
  const packets: Demuxed[] = [];
  for (let at = 0; at < bytes.length; at += PACKET) {
    expect(bytes[at]).toBe(0x47);
    const control = (bytes[at + 3] ?? 0) >> 4;
    const adaptation = (control & 2) === 0 ? 0 : 1 + (bytes[at + 4] ?? 0);
    const hasPcr = adaptation > 1 && ((bytes[at + 5] ?? 0) & 0x10) !== 0;
    packets.push({
      pid: bytes.readUInt16BE(at + 1) & 0x1fff,
      isStart: ((bytes[at + 1] ?? 0) & 0x40) !== 0,
      counter: (bytes[at + 3] ?? 0) & 0xf,
      payload: bytes.subarray(at + 4 + adaptation, at + PACKET),
      pcr: hasPcr ? bytes.readUInt32BE(at + 6) * 2 + ((bytes[at + 10] ?? 0) >> 7) : undefined,
    });
  }
  return packets;
}

interface Pes {
  readonly pts: number;
  readonly dts: number;
  readonly payload: Buffer;
}

function timestamp(bytes: Buffer, at: number): number {
  const high = ((bytes[at] ?? 0) >> 1) & 7;
  return high * 2 ** 30 + (bytes.readUInt16BE(at + 1) >> 1) * 2 ** 15 + (bytes.readUInt16BE(at + 3) >> 1);
}

function pesOf(packets: readonly Demuxed[], pid: number): Pes[] {
  const whole: Buffer[] = [];
  for (const packet of packets.filter((candidate) => candidate.pid === pid)) {
    if (packet.isStart) whole.push(packet.payload);
    else whole.push(Buffer.concat([whole.pop() ?? Buffer.alloc(0), packet.payload]));
  }
  return whole.map((bytes) => {
    expect(bytes.readUIntBE(0, 3)).toBe(1);
    const length = bytes.readUInt16BE(4);
    if (length > 0) expect(bytes.length).toBe(6 + length);
    const pts = timestamp(bytes, 9);
    const dts = ((bytes[7] ?? 0) & 0x40) === 0 ? pts : timestamp(bytes, 14);
    return { pts, dts, payload: bytes.subarray(9 + (bytes[8] ?? 0)) };
  });
}

describe('a transport stream segment', () => {
  const video = segmentsOf('video.mp4', 15);
  const audio = segmentsOf('audio.mp4', 23);
  const first = { video: video[0] as TsTrack, audio: audio[0] as TsTrack };

  test('begins with PAT and PMT, each with a CRC that is right (H-17)', () => {
    const [pat, pmt] = packetsOf(muxTransportStream(first));
    expect(pat?.pid).toBe(0);
    expect(pmt?.pid).toBe(0x1000);
    for (const packet of [pat, pmt]) {
      const section = packet?.payload.subarray(1) ?? Buffer.alloc(0);
      const whole = section.subarray(0, 3 + (section.readUInt16BE(1) & 0xfff));
      // The CRC over a section and its own CRC is 0.
      expect(crc32Mpeg(whole)).toBe(0);
    }
  });

  test('has counters that begin at 0 and come back to 0 in every PID', () => {
    const packets = packetsOf(muxTransportStream(first));
    const byPid = Map.groupBy(packets, ({ pid }) => pid);
    expect([...byPid.keys()].toSorted((a, b) => a - b)).toEqual([0, 0x100, 0x101, 0x1000]);
    for (const list of byPid.values()) {
      expect(list.length % 16).toBe(0);
      expect(list.map(({ counter }) => counter)).toEqual(list.map((_, index) => index % 16));
    }
  });

  test('has every sample with its time, modulo 2^33, and no DTS after its PTS', () => {
    for (const track of [first.video, first.audio]) {
      const packets = packetsOf(muxTransportStream(first));
      const units = pesOf(packets, track.kind === 'video' ? 0x100 : 0x101);
      let ticks = track.fragments[0]?.baseMediaDecodeTime ?? 0;
      const expected = track.fragments.flatMap(({ samples }) =>
        samples.map(({ compositionOffset, duration }) => {
          const pts = to90kHz(ticks + compositionOffset, track.timescale) % 2 ** 33;
          ticks += duration;
          return pts;
        }),
      );
      expect(units.map(({ pts }) => pts)).toEqual(expected);
      for (const { pts, dts } of units) expect(dts).toBeLessThanOrEqual(pts);
    }
  });

  test('has B-frames with a DTS that rises across segments', () => {
    const dts = video.flatMap((track) =>
      pesOf(packetsOf(muxTransportStream({ video: track })), 0x100).map((unit) => unit.dts),
    );
    expect(dts.length).toBe(30);
    for (const [index, value] of dts.entries())
      if (index > 0) expect(value).toBeGreaterThan(dts[index - 1] ?? 0);
  });

  test('has a clock reference before each decode time', () => {
    const packets = packetsOf(muxTransportStream(first));
    const references = packets.filter(({ pid, pcr }) => pid === 0x100 && pcr !== undefined);
    const units = pesOf(packets, 0x100);
    expect(references.length).toBe(units.length);
    for (const [index, { pcr = 0 }] of references.entries())
      expect((units[index]?.dts ?? 0) - pcr).toBe(63_000);
  });

  test('has parameter sets in front of each IDR, and a delimiter in front of each picture', () => {
    const units = pesOf(packetsOf(muxTransportStream(first)), 0x100);
    const types = units.map(({ payload }) => {
      const found: number[] = [];
      for (
        let at = payload.indexOf('00000001', 0, 'hex');
        at !== -1;
        at = payload.indexOf('00000001', at + 4, 'hex')
      )
        found.push((payload[at + 4] ?? 0) & 0x1f);
      return found;
    });
    expect(types.every(([type]) => type === 9)).toBe(true);
    expect(types[0]?.slice(0, 3)).toEqual([9, 7, 8]);
    expect(types[0]).toContain(5);
    expect(types[1]).not.toContain(7);
  });

  test('alone with audio carries its clock', () => {
    const packets = packetsOf(muxTransportStream({ audio: first.audio }));
    expect(packets.some(({ pid, pcr }) => pid === 0x101 && pcr !== undefined)).toBe(true);
    expect(new Set(packets.map(({ pid }) => pid))).toEqual(new Set([0, 0x1000, 0x101]));
  });

  test('lists audio that this segment lacks, so that the PMT never changes', () => {
    const pmtOf = (bytes: Buffer): Buffer | undefined => packetsOf(bytes)[1]?.payload;
    const without = muxTransportStream({ video: first.video, hasAudio: true });
    expect(pmtOf(without)).toEqual(pmtOf(muxTransportStream(first)));
  });

  test('is a function of its input', () => {
    expect(muxTransportStream(first).equals(muxTransportStream(first))).toBe(true);
  });

  test('needs a track', () => {
    expect(() => muxTransportStream({})).toThrow(RangeError);
  });
});

test.each([
  [48_000, 48_000 * 1_790_000_000, 90_000 * 1_790_000_000],
  [44_100, 44_100 * 1_790_000_000 + 1024, 90_000 * 1_790_000_000 + Math.round((1024 * 90_000) / 44_100)],
  [90_000, 90_000 * 1_790_000_000 - 1, 90_000 * 1_790_000_000 - 1],
])('ticks of %d a second become 90 kHz without rounding errors', (timescale, ticks, expected) => {
  expect(to90kHz(ticks, timescale)).toBe(expected);
});
