import { describe, expect, test } from '@jest/globals';
import { Parser } from 'm3u8-parser';
import { marshalMultivariantPlaylist } from './multivariant-playlist.ts';
import type { HlsAudioRendition, HlsVariant } from './multivariant-playlist.ts';

const AUDIO: HlsAudioRendition = {
  groupId: 'audio',
  name: 'Audio',
  language: 'und',
  channelCount: 2,
  isDefault: true,
  isAutoselect: true,
  uri: '../../media/S/audio/index.m3u8',
};
const VIDEO: HlsVariant = {
  uri: '../../media/S/720p/index.m3u8',
  bandwidthBps: 4_400_000,
  averageBandwidthBps: 3_000_000,
  codecs: ['avc1.64001f', 'mp4a.40.2'],
  resolution: { width: 1280, height: 720 },
  frameRate: { numerator: 30_000, denominator: 1001 },
  audioGroupId: 'audio',
  stableId: '720p',
};

describe('a multivariant playlist', () => {
  test('is written as H-11, H-12 and M-1 to M-4 have it', () => {
    expect(marshalMultivariantPlaylist({ audioRenditions: [AUDIO], variants: [VIDEO] })).toBe(
      [
        '#EXTM3U',
        '#EXT-X-INDEPENDENT-SEGMENTS',
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Audio",LANGUAGE="und",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="../../media/S/audio/index.m3u8"',
        '#EXT-X-STREAM-INF:BANDWIDTH=4400000,AVERAGE-BANDWIDTH=3000000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO="audio",CLOSED-CAPTIONS=NONE,STABLE-VARIANT-ID="720p"',
        '../../media/S/720p/index.m3u8',
        '',
      ].join('\n'),
    );
  });

  test.each(['HLG', 'PQ'] as const)(
    'says of every variant with video which range it has once one is %s (M-2)',
    (range) => {
      const variants: readonly HlsVariant[] = [
        { ...VIDEO, videoRange: range },
        { ...VIDEO, uri: 'b', videoRange: 'SDR' },
      ];
      const ranges = (list: readonly HlsVariant[]): unknown[] =>
        [
          ...marshalMultivariantPlaylist({ audioRenditions: [AUDIO], variants: list }).matchAll(
            /VIDEO-RANGE=(\w+)/g,
          ),
        ].map(([, value]) => value);
      expect(ranges(variants)).toEqual([range, 'SDR']);
      expect(ranges(variants.slice(1))).toEqual([]);
    },
  );

  test('is read by a parser that is not ours', () => {
    const parser = new Parser();
    parser.push(marshalMultivariantPlaylist({ audioRenditions: [AUDIO], variants: [VIDEO] }));
    parser.end();
    const { playlists, mediaGroups, independentSegments } = parser.manifest;
    expect(independentSegments).toBe(true);
    expect(playlists?.[0]).toMatchObject({
      uri: VIDEO.uri,
      attributes: {
        BANDWIDTH: 4_400_000,
        'FRAME-RATE': 29.97,
        RESOLUTION: { width: 1280, height: 720 },
        'CLOSED-CAPTIONS': 'NONE',
      },
    });
    expect(mediaGroups?.AUDIO?.['audio']?.['Audio']).toMatchObject({
      default: true,
      language: 'und',
      uri: AUDIO.uri,
    });
  });

  test('with audio alone has neither RESOLUTION nor captions', () => {
    const { resolution, frameRate, audioGroupId, ...rest } = VIDEO;
    expect(resolution).toBeDefined();
    expect(frameRate).toBeDefined();
    expect(audioGroupId).toBeDefined();
    const text = marshalMultivariantPlaylist({
      audioRenditions: [],
      variants: [{ ...rest, codecs: ['mp4a.40.2'] }],
    });
    expect(text).toContain('CODECS="mp4a.40.2",STABLE-VARIANT-ID');
    expect(text).not.toMatch(/RESOLUTION|FRAME-RATE|AUDIO=|CLOSED-CAPTIONS/);
  });

  test.each([
    ['without a variant', { audioRenditions: [], variants: [] }],
    ['with a group that nobody defines', { audioRenditions: [], variants: [VIDEO] }],
    [
      'with a name twice in a group',
      { audioRenditions: [AUDIO, { ...AUDIO, isDefault: false }], variants: [VIDEO] },
    ],
    [
      'with two defaults in a group',
      { audioRenditions: [AUDIO, { ...AUDIO, name: 'B' }], variants: [VIDEO] },
    ],
    ['with a line break in a name', { audioRenditions: [{ ...AUDIO, name: 'a\n#b' }], variants: [VIDEO] }],
    ['with a quote in a codec', { audioRenditions: [AUDIO], variants: [{ ...VIDEO, codecs: ['"'] }] }],
  ])('%s is refused', (_, input) => {
    expect(() => marshalMultivariantPlaylist(input)).toThrow(RangeError);
  });
});
