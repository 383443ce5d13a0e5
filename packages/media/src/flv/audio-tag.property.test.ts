import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { PROPERTY, fuzzParser } from '../testdata/fuzz.ts';
import { marshalAudioTag, parseAudioTag } from './audio-tag.ts';

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const MP4A = '6d703461';

describe('parseAudioTag', () => {
  test.each([
    ['a sequence header', 'af 00 1190', { kind: 'configuration', config: bytes('1190') }],
    ['a frame', 'af 01 21aabb', { kind: 'frame', data: bytes('21aabb') }],
    ['an empty frame', 'af 01', { kind: 'empty' }],
    ['an empty message', '', { kind: 'empty' }],
    ['a message of one byte', 'af', { kind: 'empty' }],
    ['MP3', '2f ff', { kind: 'unsupported', codec: 'MP3' }],
    ['Speex', 'b6 00', { kind: 'unsupported', codec: 'Speex' }],
    ['G.711', '72 00', { kind: 'unsupported', codec: 'G.711 A-law' }],
    ['an unknown format', 'd2 00', { kind: 'unsupported', codec: 'sound format 13' }],
    ['an ex sequence start', `90 ${MP4A} 1190`, { kind: 'configuration', config: bytes('1190') }],
    ['ex frames', `91 ${MP4A} 21aa`, { kind: 'frame', data: bytes('21aa') }],
    ['an ex sequence end', `92 ${MP4A}`, { kind: 'end' }],
    ['an ex channel order', `94 ${MP4A} 01`, { kind: 'ignored' }],
    ['a ModEx prefix', `97 02 000001 01 ${MP4A} 21aa`, { kind: 'frame', data: bytes('21aa') }],
    ['track 0 of a multitrack message', `95 01 ${MP4A} 00 21aa`, { kind: 'frame', data: bytes('21aa') }],
    ['Opus', '90 4f707573', { kind: 'unsupported', codec: 'Opus' }],
    ['AC-3', '91 61632d33 0b77', { kind: 'unsupported', codec: 'AC-3' }],
  ])('reads %s', (_, hex, expected) => {
    expect(parseAudioTag(bytes(hex))).toEqual(expected);
  });

  test.each([
    ['a packet type that is not there', 'af 02 00', /AAC packet type 2/],
    ['an ex-header without a fourCC', '91 6d70', /truncated/],
    ['an ex packet type that is not there', `98 ${MP4A}`, /packet type 8/],
  ])('refuses %s', (_, hex, message) => {
    expect(() => parseAudioTag(bytes(hex))).toThrow(message);
  });

  test('parse(marshal(x)) = x', () => {
    const data = fc.uint8Array({ minLength: 1, maxLength: 50 }).map((array) => Buffer.from(array));
    const tag = fc.oneof(
      data.map((config) => ({ kind: 'configuration', config }) as const),
      data.map((frame) => ({ kind: 'frame', data: frame }) as const),
    );
    fc.assert(
      fc.property(tag, (value) => {
        expect(parseAudioTag(marshalAudioTag(value))).toEqual(value);
      }),
      PROPERTY,
    );
  });

  test('gives nothing but a result or ParseError for bad bytes', () => {
    const seeds = ['af 00 1190', `97 02 000001 01 ${MP4A} 21aa`, `95 01 ${MP4A} 00 21aa`].map(bytes);
    expect(fuzzParser(seeds, parseAudioTag)).toBeGreaterThan(0);
  });
});
