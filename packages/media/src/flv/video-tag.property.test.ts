import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { PROPERTY, fuzzParser } from '../testdata/fuzz.ts';
import { marshalVideoTag, parseVideoTag } from './video-tag.ts';

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const AVC1 = '61766331';

describe('parseVideoTag', () => {
  test.each([
    ['a sequence header', '17 00 000000 0142c0', { kind: 'configuration', config: bytes('0142c0') }],
    [
      'a keyframe',
      '17 01 000000 aabb',
      { kind: 'frame', isKeyframe: true, compositionOffsetMs: 0, data: bytes('aabb') },
    ],
    [
      'a B-frame',
      '27 01 000021 aa',
      { kind: 'frame', isKeyframe: false, compositionOffsetMs: 33, data: bytes('aa') },
    ],
    [
      'a negative offset',
      '27 01 fffffe aa',
      { kind: 'frame', isKeyframe: false, compositionOffsetMs: -2, data: bytes('aa') },
    ],
    ['a tag without a picture', '27 01 000000', { kind: 'empty' }],
    ['an empty message', '', { kind: 'empty' }],
    ['the end of the sequence', '17 02 000000', { kind: 'end' }],
    ['a command frame', '57 00', { kind: 'ignored' }],
    ['HEVC as codec 12', '1c 00 000000 01', { kind: 'unsupported', codec: 'HEVC' }],
    ['VP6', '14 00', { kind: 'unsupported', codec: 'VP6' }],
    ['an unknown codec', '1e 00', { kind: 'unsupported', codec: 'video codec 14' }],
    ['an ex-header for HEVC', '90 68766331 01', { kind: 'unsupported', codec: 'HEVC' }],
    ['an ex-header for AV1', '90 61763031 81', { kind: 'unsupported', codec: 'AV1' }],
    ['an ex-header for an unknown codec', '90 22786378 01', { kind: 'unsupported', codec: '"\\"xcx"' }],
    ['an ex sequence start', `90 ${AVC1} 0142c0`, { kind: 'configuration', config: bytes('0142c0') }],
    [
      'ex coded frames',
      `91 ${AVC1} ffffff aabb`,
      { kind: 'frame', isKeyframe: true, compositionOffsetMs: -1, data: bytes('aabb') },
    ],
    [
      'ex coded frames without an offset',
      `a3 ${AVC1} aabb`,
      { kind: 'frame', isKeyframe: false, compositionOffsetMs: 0, data: bytes('aabb') },
    ],
    ['an ex sequence end', `92 ${AVC1}`, { kind: 'end' }],
    ['ex metadata', `94 ${AVC1} 02`, { kind: 'ignored' }],
    ['an ex command frame', 'd0 00', { kind: 'ignored' }],
    [
      'ModEx prefixes, short and long',
      `97 02 000001 07 ff 0100 ${'00'.repeat(257)} 03 ${AVC1} aa`,
      { kind: 'frame', isKeyframe: true, compositionOffsetMs: 0, data: bytes('aa') },
    ],
    [
      'the only track of a multitrack message',
      `96 03 ${AVC1} 00 aabb`,
      { kind: 'frame', isKeyframe: true, compositionOffsetMs: 0, data: bytes('aabb') },
    ],
    [
      'track 0 of many',
      `96 13 ${AVC1} 01 000001 cc 00 000002 aabb`,
      { kind: 'frame', isKeyframe: true, compositionOffsetMs: 0, data: bytes('aabb') },
    ],
    [
      'track 0 of many codecs',
      `96 23 68766331 01 000001 cc ${AVC1} 00 000002 aabb`,
      { kind: 'frame', isKeyframe: true, compositionOffsetMs: 0, data: bytes('aabb') },
    ],
    ['tracks other than 0', `96 13 ${AVC1} 01 000001 cc`, { kind: 'ignored' }],
  ])('reads %s', (_, hex, expected) => {
    expect(parseVideoTag(bytes(hex))).toEqual(expected);
  });

  test.each([
    ['a cut tag', '17 01 00', /truncated/],
    ['a packet type that is not there', '17 03 000000', /AVC packet type 3/],
    ['a cut ModEx', '97 20 00', /truncated/],
    ['a multitrack message in another', `96 06 ${AVC1}`, /in another/],
    ['a multitrack type that is not there', `96 33 ${AVC1}`, /multitrack type 3/],
    ['an ex packet type that is not there', `98 ${AVC1}`, /packet type 8/],
  ])('refuses %s', (_, hex, message) => {
    expect(() => parseVideoTag(bytes(hex))).toThrow(message);
  });

  test('parse(marshal(x)) = x', () => {
    const data = fc.uint8Array({ minLength: 1, maxLength: 50 }).map((array) => Buffer.from(array));
    const tag = fc.oneof(
      data.map((config) => ({ kind: 'configuration', config }) as const),
      fc.record({
        kind: fc.constant('frame' as const),
        isKeyframe: fc.boolean(),
        compositionOffsetMs: fc.integer({ min: -(2 ** 23), max: 2 ** 23 - 1 }),
        data,
      }),
      fc.constant({ kind: 'end' } as const),
    );
    fc.assert(
      fc.property(tag, (value) => {
        expect(parseVideoTag(marshalVideoTag(value))).toEqual(value);
      }),
      PROPERTY,
    );
  });

  test('gives nothing but a result or ParseError for bad bytes', () => {
    const seeds = [
      '17 00 000000 0142c0',
      `97 02 000001 03 ${AVC1} aa`,
      `96 23 68766331 01 000001 cc ${AVC1} 00 000002 aabb`,
    ].map(bytes);
    expect(fuzzParser(seeds, parseVideoTag)).toBeGreaterThan(0);
  });
});
