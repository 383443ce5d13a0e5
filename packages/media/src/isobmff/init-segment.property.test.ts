import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { PROPERTY, fuzzParser, testMedia } from '../testdata/fuzz.ts';
import { listBoxes } from './box.ts';
import type { Box } from './box.ts';
import { FragmentReader } from './fragment-reader.ts';
import { codecString, parseInitSegment } from './init-parser.ts';
import { marshalInitSegment } from './init-writer.ts';
import type { AudioInit, VideoInit } from './track.ts';

const initOf = (name: string): Buffer => {
  const [event] = new FragmentReader().push(testMedia(name));
  if (event?.kind !== 'init') throw new Error(`${name} does not begin with an init segment`);
  return event.bytes;
};
const VIDEO = initOf('video.mp4');
const AUDIO = initOf('audio.mp4');

const uint = (bits: number) => fc.integer({ min: 0, max: 2 ** bits - 1 });
const positive = (bits: number) => fc.integer({ min: 1, max: 2 ** bits - 1 });
const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
const common = {
  trackId: fc.integer({ min: 1, max: 2 ** 32 - 2 }),
  timescale: positive(32),
  decoderConfig: bytes,
};
const video = fc.record<VideoInit>(
  {
    kind: fc.constant('video'),
    ...common,
    width: uint(16),
    height: uint(16),
    sampleAspectRatio: fc.record({ numerator: positive(32), denominator: positive(32) }),
    color: fc.record({
      primaries: uint(16),
      transfer: uint(16),
      matrix: uint(16),
      isFullRange: fc.boolean(),
    }),
  },
  { requiredKeys: ['kind', 'trackId', 'timescale', 'decoderConfig', 'width', 'height'] },
);
const audio = fc.record<AudioInit>({
  kind: fc.constant('audio'),
  ...common,
  sampleRate: positive(16),
  channelCount: uint(16),
});

describe('init segments', () => {
  test('of video: parse(marshal(x)) = x', () => {
    fc.assert(
      fc.property(video, (track) => {
        const expected = { ...track, sampleEntry: 'avc1', sampleRate: 0, channelCount: 0 };
        expect(parseInitSegment(marshalInitSegment(track))).toEqual(expected);
      }),
      PROPERTY,
    );
  });

  test('of audio: parse(marshal(x)) = x', () => {
    fc.assert(
      fc.property(audio, (track) => {
        expect(parseInitSegment(marshalInitSegment(track))).toEqual({
          ...track,
          sampleEntry: 'mp4a',
          width: 0,
          height: 0,
        });
      }),
      PROPERTY,
    );
  });

  test('a rate over 16 bits is taken from the AudioSpecificConfig', () => {
    const decoderConfig = Buffer.from('1010', 'hex');
    const track = {
      kind: 'audio',
      trackId: 1,
      timescale: 96_000,
      decoderConfig,
      sampleRate: 96_000,
      channelCount: 2,
    } as const;
    expect(parseInitSegment(marshalInitSegment(track)).sampleRate).toBe(96_000);
  });

  test('what ffmpeg wrote is read', () => {
    const track = parseInitSegment(VIDEO);
    expect(track).toMatchObject({
      kind: 'video',
      timescale: 90_000,
      width: 64,
      height: 48,
      sampleEntry: 'avc1',
    });
    expect(codecString(track)).toBe('avc1.64000a');
    const sound = parseInitSegment(AUDIO);
    expect(sound).toMatchObject({ kind: 'audio', timescale: 48_000, sampleRate: 48_000, channelCount: 2 });
    expect(codecString(sound)).toBe('mp4a.40.2');
  });

  test('holds no samples and no durations, and has mvex (H-18)', () => {
    const init = marshalInitSegment({
      kind: 'audio',
      trackId: 7,
      timescale: 48_000,
      decoderConfig: Buffer.from('1190', 'hex'),
      sampleRate: 48_000,
      channelCount: 2,
    });
    const all = new Map<string, Box>();
    const collect = (start: number, end: number): void => {
      for (const box of listBoxes(init, start, end)) {
        all.set(box.type, box);
        if (['moov', 'trak', 'mdia', 'minf', 'stbl', 'mvex'].includes(box.type)) collect(box.start, box.end);
      }
    };
    collect(0, init.length);
    const word = (type: string, at: number): number => init.readUInt32BE((all.get(type)?.start ?? NaN) + at);
    expect([word('mvhd', 16), word('tkhd', 20), word('mdhd', 16)]).toEqual([0, 0, 0]);
    expect([word('stts', 4), word('stsc', 4), word('stsz', 8), word('stco', 4)]).toEqual([0, 0, 0, 0]);
    expect(word('trex', 4)).toBe(7);
    expect(init.subarray(8, 28).toString('latin1').replaceAll('\0', '')).toBe('iso6iso6cmfcmp41');
  });

  test('other codecs and a second track are refused by name', () => {
    const other = Buffer.from(VIDEO);
    other.write('hvc1', other.indexOf('avc1', other.indexOf('stsd')), 'latin1');
    expect(() => parseInitSegment(other)).toThrow(/"hvc1"/);
  });

  test('bad bytes give nothing but a result or ParseError', () => {
    const parse = (input: Uint8Array) => codecString(parseInitSegment(input));
    expect(fuzzParser([VIDEO, AUDIO], parse)).toBeGreaterThan(0);
  });
});
