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
/** hvcC of x265, 64x64, Main and Main 10. */
const HVCC_8_BIT = Buffer.from(
  '0101600000009000000000001ef000fcfdf8f800000f03a00001001840010c01ffff01600000030090000003000003001e959809' +
    'a10001002842010101600000030090000003000003001ea020810596566924caf0168080000003008000000c84a2000100074401c172b42240',
  'hex',
);
const HVCC_10_BIT = Buffer.from(
  '0102200000009000000000001ef000fcfdfafa00000f03a00001001840010c01ffff02200000030090000003000003001e959809' +
    'a10001002a42010102200000030090000003000003001ea0208104d96566924caf016808000003000800000300c840a2000100074401c172b42240',
  'hex',
);

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

  test.each([
    ['8 bits', HVCC_8_BIT],
    ['10 bits', HVCC_10_BIT],
  ])(
    'HEVC under the number of H.264 (OBS up to 29.0, srs#3464), %s: refused by its own name',
    (_, record) => {
      const body = Buffer.concat([Buffer.from('1700000000', 'hex'), record]);
      expect(() => new MediaInput().push('video', 0, body)).toThrow(
        expect.objectContaining({
          id: 'INGEST_CODEC_UNSUPPORTED',
          message: 'The video codec is HEVC, which is not taken: set the encoder to H.264',
        }),
      );
    },
  );

  test.each([
    ['nothing', ''],
    ['an Annex B stream', '0000000140010c01ffff01600000030090000003000003001e9598090000000142010101'],
  ])('%s in place of an H.264 configuration is refused with what to set', (_, record) => {
    const body = Buffer.from(`1700000000${record}`, 'hex');
    expect(() => new MediaInput().push('video', 0, body)).toThrow(
      expect.objectContaining({
        id: 'INGEST_CONFIGURATION_MALFORMED',
        message: expect.stringContaining('set the encoder to H.264'),
      }),
    );
  });

  test.each([
    ['of 250 µs', '02 03d090'],
    ['of nearly a millisecond', '02 0f423f'],
    ['behind an extension that nobody knows', '00 ff 17 02 03d090'],
    ['in an extension of 256 bytes', `ff 00ff ${'00'.repeat(256)}`],
  ])(
    'a TimestampOffsetNano (Enhanced RTMP ModEx) %s changes no time: frames are put on exact times anyway',
    (_, extension) => {
      const input = new MediaInput();
      input.push('video', 0, HEADER);
      const frame = idrTag.kind === 'frame' ? idrTag.data : Buffer.alloc(0);
      const modEx = Buffer.from(extension.replaceAll(' ', ''), 'hex');
      // Keyframe, ModEx; the extensions; type 0 (TimestampOffsetNano) and CodedFrames; avc1, composition time 33 ms.
      const body = Buffer.concat([
        Buffer.from([0x97]),
        modEx,
        Buffer.from('01617663310000 21'.replace(' ', ''), 'hex'),
        frame,
      ]);
      expect(input.push('video', 40, body)).toEqual({
        unit: {
          kind: 'video',
          timestampMs: 40,
          compositionOffsetMs: 33,
          isRandomAccess: true,
          data: input.push('video', 40, IDR).unit?.data,
        },
      });
      const [header = Buffer.alloc(0), sound = Buffer.alloc(0)] = AUDIO;
      input.push('audio', 0, header);
      const exSound = Buffer.concat([
        Buffer.from([0x97]),
        modEx,
        Buffer.from('016d703461', 'hex'),
        sound.subarray(2),
      ]);
      expect(input.push('audio', 21, exSound)).toEqual(input.push('audio', 21, sound));
    },
  );
});
