import { describe, expect, test } from '@jest/globals';
import { session } from '@millrace/contracts';
import { Parser } from 'm3u8-parser';
import { presentationOf } from '../testing/session-data.ts';
import { multivariantPlaylist } from './multivariant.ts';

const SESSION = '01K0000000000000000000000A';

describe('multivariant playlist of a session', () => {
  test('M-1, M-2, M-3, M-4: the fMP4 form with separate audio', () => {
    expect(multivariantPlaylist(SESSION, presentationOf(), 'fmp4')).toMatchSnapshot();
  });

  test('the MPEG-TS form has the audio inside, and declares what packets and padding add (M-1)', () => {
    const playlist = multivariantPlaylist(SESSION, presentationOf(), 'ts');
    expect(playlist).toMatchSnapshot();
    expect(playlist).not.toContain('EXT-X-MEDIA');
  });

  test.each(['fmp4', 'ts'] as const)('audio only is one variant without a group (%s)', (form) => {
    const { renditions } = presentationOf();
    const audio = renditions.filter(({ kind }) => kind === session.TrackKind.AUDIO);
    expect(multivariantPlaylist(SESSION, presentationOf({ renditions: audio }), form)).toMatchSnapshot();
  });

  test('video only names no audio codec', () => {
    const { renditions } = presentationOf();
    const videos = renditions.filter(({ kind }) => kind === session.TrackKind.VIDEO);
    const playlist = multivariantPlaylist(SESSION, presentationOf({ renditions: videos }), 'fmp4');
    expect(playlist).not.toMatch(/mp4a|AUDIO/);
    expect(playlist).toContain('CODECS="avc1.64001f"');
  });

  test('M-2: says the range of every variant once one is not SDR', () => {
    const ranges = (range: session.VideoRange): readonly (string | undefined)[] => {
      const renditions = presentationOf().renditions.map((rendition) =>
        rendition.kind === session.TrackKind.VIDEO ? { ...rendition, videoRange: range } : rendition,
      );
      const text = multivariantPlaylist(SESSION, presentationOf({ renditions }), 'ts');
      return [...text.matchAll(/VIDEO-RANGE=(\w+)/g)].map(([, value]) => value);
    };
    expect(ranges(session.VideoRange.PQ)).toEqual(['PQ', 'PQ']);
    expect(ranges(session.VideoRange.HLG)).toEqual(['HLG', 'HLG']);
    expect(ranges(session.VideoRange.SDR)).toEqual([]);
    expect(ranges(session.VideoRange.UNSPECIFIED)).toEqual([]);
  });

  test('m3u8-parser reads the variants and the audio group', () => {
    const parser = new Parser();
    parser.push(multivariantPlaylist(SESSION, presentationOf(), 'fmp4'));
    parser.end();
    const { playlists, mediaGroups } = parser.manifest;
    expect(playlists?.map(({ uri, attributes }) => [uri, attributes.BANDWIDTH, attributes.AUDIO])).toEqual([
      [`../../media/${SESSION}/720p/index.m3u8`, 3_100_000, 'audio'],
      [`../../media/${SESSION}/360p/index.m3u8`, 900_000, 'audio'],
    ]);
    expect(mediaGroups?.AUDIO?.['audio']?.['Audio']?.uri).toBe(`../../media/${SESSION}/audio/index.m3u8`);
  });
});
