import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { PROPERTY, fuzzParser, testMedia } from '../testdata/fuzz.ts';
import { parseFragment } from './fragment-parser.ts';
import { FragmentReader } from './fragment-reader.ts';
import { joinFragments, marshalFragment } from './fragment-writer.ts';
import { marshalProducerReferenceTime, marshalSegmentType } from './live-boxes.ts';
import type { TrackFragment } from './track.ts';

const uint = (bits: number) => fc.integer({ min: 0, max: 2 ** bits - 1 });
const sample = fc.record({
  duration: fc.oneof(fc.constant(3000), uint(32)),
  compositionOffset: fc.oneof(fc.constant(0), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
  isSync: fc.boolean(),
  data: fc.uint8Array({ maxLength: 20 }).map((array) => Buffer.from(array)),
});
const fragment = fc.record<TrackFragment>({
  trackId: uint(32),
  baseMediaDecodeTime: fc.oneof(uint(32), fc.nat(Number.MAX_SAFE_INTEGER)),
  samples: fc.array(sample, { minLength: 1, maxLength: 8 }),
});

const fragmentsOf = (name: string) =>
  new FragmentReader().push(testMedia(name)).flatMap((event) => (event.kind === 'fragment' ? [event] : []));

describe('fragments', () => {
  test('parse(marshal(x)) = x', () => {
    fc.assert(
      fc.property(fragment, uint(32), (value, sequenceNumber) => {
        expect(parseFragment(marshalFragment(value, sequenceNumber))).toEqual(value);
      }),
      PROPERTY,
    );
  });

  test('a part of equal samples with an IDR in front costs 4 bytes a sample', () => {
    const samples = Array.from({ length: 60 }, (_, index) => ({
      duration: 1500,
      compositionOffset: 0,
      isSync: index === 0,
      data: new Uint8Array(0),
    }));
    const of = (count: number) =>
      marshalFragment({ trackId: 1, baseMediaDecodeTime: 0, samples: samples.slice(0, count) }, 1).length;
    expect(of(60) - of(20)).toBe(160);
    expect(of(1)).toBe(108);
  });

  test('joined fragments of ffmpeg hold the same samples', () => {
    const single = fragmentsOf('video.mp4').map((event) => event.fragment);
    expect(single).toHaveLength(30);
    const joined = parseFragment(joinFragments(single, 1));
    expect(joined.baseMediaDecodeTime).toBe(single[0]?.baseMediaDecodeTime);
    expect(joined.samples).toEqual(single.flatMap(({ samples }) => samples));
    expect(
      joined.samples.map(({ isSync }) => isSync).flatMap((isSync, index) => (isSync ? [index] : [])),
    ).toEqual([0, 15]);
  });

  test('decode times since 1970 come out exactly', () => {
    expect(Math.floor((fragmentsOf('video.mp4')[0]?.fragment.baseMediaDecodeTime ?? 0) / 90_000)).toBe(
      1_700_000_000,
    );
  });

  test('fragments that do not follow one another are not joined', () => {
    const [first, , third] = fragmentsOf('video.mp4').map((event) => event.fragment);
    if (first === undefined || third === undefined) throw new Error('the file has too few fragments');
    expect(() => joinFragments([first, third], 1)).toThrow(/expected/);
    expect(() => joinFragments([first, { ...third, trackId: 9 }], 1)).toThrow(/tracks 1 and 9/);
    expect(() => joinFragments([], 1)).toThrow(/no fragments/);
  });

  test('a decode time that is no safe integer is neither written nor read', () => {
    const value = { trackId: 1, baseMediaDecodeTime: 2 ** 53, samples: [] };
    expect(() =>
      marshalFragment(
        { ...value, samples: [{ duration: 1, compositionOffset: 0, isSync: true, data: Buffer.alloc(0) }] },
        1,
      ),
    ).toThrow(/safe/);
    const bytes = marshalFragment(
      {
        trackId: 1,
        baseMediaDecodeTime: 0,
        samples: [{ duration: 1, compositionOffset: 0, isSync: true, data: Buffer.alloc(1) }],
      },
      1,
    );
    bytes.writeUInt32BE(0xffff_ffff, bytes.indexOf('tfdt') + 8);
    expect(() => parseFragment(bytes)).toThrow(/safe integer/);
  });

  test('styp and prft in front are skipped', () => {
    const [first] = fragmentsOf('video.mp4');
    if (first === undefined) throw new Error('the file has no fragment');
    const time = marshalProducerReferenceTime({
      trackId: 1,
      utcUs: 1_700_000_000_500_000,
      mediaTime: 2 ** 40 + 5,
    });
    expect(time.subarray(8).toString('hex')).toBe('0100000000000001e8fe6f80800000000000010000000005');
    const bytes = Buffer.concat([marshalSegmentType({ isChunk: true }), time, first.bytes]);
    expect(parseFragment(bytes)).toEqual(first.fragment);
    const [event] = new FragmentReader().push(bytes);
    expect(event).toMatchObject({ kind: 'fragment', fragment: first.fragment });
    expect(event?.bytes).toHaveLength(bytes.length);
  });

  test('samples outside mdat are refused', () => {
    const bytes = Buffer.from(fragmentsOf('video.mp4')[0]?.bytes ?? []);
    const offsetAt = bytes.indexOf('trun') + 12;
    bytes.writeUInt32BE(0, offsetAt);
    expect(() => parseFragment(bytes)).toThrow(/outside mdat/);
  });

  test('boxes in boxes end where a fragment has no more of them', () => {
    const depth = 100_000;
    const nested = Buffer.alloc(depth * 8);
    for (let level = 0; level < depth; level += 1) {
      nested.writeUInt32BE(nested.length - level * 8, level * 8);
      nested.write('traf', level * 8 + 4, 'latin1');
    }
    expect(() => parseFragment(nested)).toThrow(/more than one track/);
  });

  test('bad bytes give nothing but a result or ParseError', () => {
    const [first] = fragmentsOf('video.mp4');
    const seeds = [
      first?.bytes ?? Buffer.alloc(0),
      joinFragments(
        fragmentsOf('audio.mp4')
          .slice(0, 5)
          .map((event) => event.fragment),
        1,
      ),
    ];
    expect(fuzzParser(seeds, parseFragment)).toBeGreaterThan(0);
  });
});
