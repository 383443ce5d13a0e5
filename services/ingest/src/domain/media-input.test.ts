import { describe, expect, test } from '@jest/globals';
import {
  avcDecoderConfigurationOf,
  FlvReader,
  joinLengthPrefixed,
  marshalAudioTag,
  marshalAvcDecoderConfiguration,
  marshalVideoTag,
  parseAvcDecoderConfiguration,
  parseVideoTag,
  splitLengthPrefixed,
} from '@millrace/media';
import { readFileSync } from 'node:fs';
import { MediaInput } from './media-input.ts';

const FEED = new URL('../../../../packages/media/src/testdata/b-frames.flv', import.meta.url);
const TAGS = [...new FlvReader().push(readFileSync(FEED))];
const VIDEO = TAGS.filter(({ type }) => type === 'video').map(({ body }) => body);
const [HEADER = Buffer.alloc(0), IDR = Buffer.alloc(0)] = VIDEO;
const AUDIO = TAGS.filter(({ type }) => type === 'audio').map(({ body }) => body);
const headerTag = parseVideoTag(HEADER);
const AVC = parseAvcDecoderConfiguration(
  headerTag.kind === 'configuration' ? headerTag.config : Buffer.alloc(0),
);
const [SPS = Buffer.alloc(0)] = AVC.sequenceParameterSets;
const [PPS = Buffer.alloc(0)] = AVC.pictureParameterSets;
const idrTag = parseVideoTag(IDR);
const PICTURE = idrTag.kind === 'frame' ? splitLengthPrefixed(idrTag.data, 4) : [];
const DELIMITER = Buffer.from([9, 0xf0]);
const FILLER = Buffer.from([12, 0xff, 0x80]);

function idrOf(...nals: readonly Uint8Array[]): Buffer {
  const data = joinLengthPrefixed([...nals, ...PICTURE], 4);
  return marshalVideoTag({ kind: 'frame', isKeyframe: true, compositionOffsetMs: 0, data });
}

describe('media input', () => {
  test('a header is a configuration, a picture an access unit of the encoder’s own bytes', () => {
    const input = new MediaInput();
    const { config } = input.push('video', 0, HEADER);
    expect(config).toMatchObject({ kind: 'video', width: expect.any(Number), isInterlaced: false });
    const { unit } = input.push('video', 40, IDR);
    expect(unit).toMatchObject({ kind: 'video', timestampMs: 40, isRandomAccess: true });
    expect(unit?.data.buffer).toBe(IDR.buffer);
  });

  test('the same parameter sets again in an IDR are no configuration, and are taken out', () => {
    const input = new MediaInput();
    input.push('video', 0, HEADER);
    const result = input.push('video', 40, idrOf(DELIMITER, SPS, PPS, FILLER));
    expect(result.config).toBeUndefined();
    expect(splitLengthPrefixed(result.unit?.data ?? Buffer.alloc(0), 4)).toEqual(
      PICTURE.filter((nal) => ![9, 12, 7, 8].includes((nal[0] ?? 0) & 31)),
    );
  });

  test('other parameter sets in an IDR are a configuration in front of it', () => {
    const input = new MediaInput();
    const before = input.push('video', 0, HEADER).config;
    const other = Buffer.concat([PPS, Buffer.from([0x80])]);
    const { config, unit } = input.push('video', 40, idrOf(SPS, other));
    expect(config?.kind).toBe('video');
    expect(config?.decoderConfig).not.toEqual(before?.decoderConfig);
    expect(unit?.isRandomAccess).toBe(true);
    expect(input.push('video', 80, idrOf(SPS, other)).config).toBeUndefined();
  });

  test('NAL lengths of two bytes become four, in the configuration too', () => {
    const input = new MediaInput();
    const short = marshalAvcDecoderConfiguration(
      avcDecoderConfigurationOf(AVC.sequenceParameterSets, AVC.pictureParameterSets, 2),
    );
    const { config } = input.push('video', 0, marshalVideoTag({ kind: 'configuration', config: short }));
    expect(parseAvcDecoderConfiguration(config?.decoderConfig ?? Buffer.alloc(0)).lengthSize).toBe(4);
    const data = joinLengthPrefixed(PICTURE.slice(-1), 2);
    const body = marshalVideoTag({ kind: 'frame', isKeyframe: true, compositionOffsetMs: 0, data });
    const { unit } = input.push('video', 40, body);
    expect(splitLengthPrefixed(unit?.data ?? Buffer.alloc(0), 4)).toEqual(PICTURE.slice(-1));
  });

  test('pictures before any header are left out', () => {
    expect(new MediaInput().push('video', 0, IDR)).toEqual({});
  });

  test('an empty audio message is an access unit without data, which the timeline knows as silence', () => {
    const input = new MediaInput();
    const [header = Buffer.alloc(0)] = AUDIO;
    expect(input.push('audio', 0, header).config).toMatchObject({ kind: 'audio', sampleRate: 48_000 });
    expect(input.push('audio', 20, Buffer.alloc(0)).unit?.data).toHaveLength(0);
    expect(input.push('audio', 20, Buffer.from([0xaf, 1])).unit?.data).toHaveLength(0);
  });

  test('5.1 is taken, with a silence of six channels', () => {
    const body = marshalAudioTag({ kind: 'configuration', config: Buffer.from([0x11, 0xb0]) });
    const { config } = new MediaInput().push('audio', 0, body);
    expect(config).toMatchObject({ kind: 'audio', channelCount: 6, silentFrame: expect.any(Uint8Array) });
  });

  test('a sample rate that no AAC has is refused with what to set', () => {
    // AAC-LC, explicit rate of 250 Hz, stereo.
    const body = marshalAudioTag({
      kind: 'configuration',
      config: Buffer.from([0x17, 0x80, 0x00, 0x7d, 0x10]),
    });
    expect(() => new MediaInput().push('audio', 0, body)).toThrow('set the encoder to 48000');
  });

  test('some malformed messages are left out; fifty in a row end the publication', () => {
    const input = new MediaInput();
    input.push('video', 0, HEADER);
    const bad = marshalVideoTag({
      kind: 'frame',
      isKeyframe: false,
      compositionOffsetMs: 0,
      data: Buffer.from([0, 0, 9, 9, 1]),
    });
    for (let round = 0; round < 3; round += 1) {
      for (let count = 0; count < 50; count += 1) {
        expect(input.push('video', 40, bad)).toEqual({ malformed: expect.stringContaining('video') });
      }
      expect(input.push('video', 40, IDR).unit).toBeDefined();
    }
    expect(() => {
      for (let count = 0; count < 51; count += 1) input.push('video', 40, bad);
    }).toThrow(expect.objectContaining({ id: 'INGEST_MEDIA_MALFORMED' }));
  });
});
