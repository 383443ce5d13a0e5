import { describe, expect, test } from '@jest/globals';
import { marshalMediaPlaylist } from './media-playlist.ts';
import type { HlsSegment, MediaPlaylistInput } from './media-playlist.ts';

const K = 895_000_000;
const START_MS = Date.UTC(2026, 8, 12, 10, 0, 0, 7);

function segment(index: number, change: Partial<HlsSegment> = {}): HlsSegment {
  return {
    uri: `${K + index}.m4s`,
    durationTicks: 180_000,
    timescale: 90_000,
    programDateTimeMs: START_MS + index * 2000,
    hasDiscontinuity: false,
    isGap: false,
    mapUri: 'init-0.mp4',
    ...change,
  };
}

function playlist(segments: readonly HlsSegment[], change: Partial<MediaPlaylistInput> = {}): string {
  return marshalMediaPlaylist({
    container: 'fmp4',
    targetDurationSeconds: 2,
    mediaSequence: K,
    discontinuitySequence: 0,
    isEnded: false,
    segments,
    ...change,
  });
}

describe('a media playlist', () => {
  test('has MAP, a gap and a new period where they belong', () => {
    const text = playlist([
      segment(0),
      segment(1, { isGap: true }),
      segment(3, { hasDiscontinuity: true, mapUri: 'init-1.mp4', durationTicks: 90_090 }),
    ]);
    expect(text).toBe(
      [
        '#EXTM3U',
        '#EXT-X-VERSION:6',
        '#EXT-X-TARGETDURATION:2',
        `#EXT-X-MEDIA-SEQUENCE:${K}`,
        '#EXT-X-DISCONTINUITY-SEQUENCE:0',
        '#EXT-X-INDEPENDENT-SEGMENTS',
        '#EXT-X-MAP:URI="init-0.mp4"',
        '#EXT-X-PROGRAM-DATE-TIME:2026-09-12T10:00:00.007Z',
        '#EXTINF:2.000000,',
        `${K}.m4s`,
        '#EXT-X-PROGRAM-DATE-TIME:2026-09-12T10:00:02.007Z',
        '#EXT-X-GAP',
        '#EXTINF:2.000000,',
        `${K + 1}.m4s`,
        '#EXT-X-DISCONTINUITY',
        '#EXT-X-MAP:URI="init-1.mp4"',
        '#EXT-X-PROGRAM-DATE-TIME:2026-09-12T10:00:06.007Z',
        '#EXTINF:1.001000,',
        `${K + 3}.m4s`,
        '',
      ].join('\n'),
    );
  });

  test('without a MAP needs version 3 only (H-12)', () => {
    const { mapUri, ...rest } = segment(0, { uri: `${K}.ts` });
    expect(mapUri).toBeDefined();
    const text = playlist([rest], { container: 'mpegts' });
    expect(text).toContain('#EXT-X-VERSION:3\n');
    expect(text).not.toContain('EXT-X-MAP');
  });

  test('has the same header lines when it lists nothing but gaps (H-4)', () => {
    const { mapUri, ...gap } = segment(1, { isGap: true });
    expect(mapUri).toBeDefined();
    const header = (text: string): readonly string[] => text.split('\n').slice(0, 6);
    expect(header(playlist([gap]))).toEqual(header(playlist([segment(0)])));
    expect(playlist([gap])).not.toContain('EXT-X-MAP');
  });

  test('ends with ENDLIST when nothing follows, and only then (H-13)', () => {
    expect(playlist([segment(0)], { isEnded: true })).toMatch(/\n#EXT-X-ENDLIST\n$/);
    expect(playlist([segment(0)])).not.toContain('ENDLIST');
    expect(playlist([segment(0)])).not.toContain('PLAYLIST-TYPE');
  });

  test('keeps the sum of its durations within a frame of the ticks (H-2)', () => {
    const durations = Array.from({ length: 1800 }, (_, index) => (index % 3 === 0 ? 96_256 : 95_232));
    const text = playlist(
      durations.map((durationTicks, index) => segment(index, { durationTicks, timescale: 48_000 })),
    );
    let sum = 0;
    for (const [, seconds] of text.matchAll(/#EXTINF:([\d.]+),/g)) sum += Number(seconds);
    const exact = durations.reduce((total, ticks) => total + ticks, 0) / 48_000;
    expect(Math.abs(sum - exact)).toBeLessThan(1 / 240);
  });

  test('refuses a line break in a URI, a negative duration, a sequence that is not an integer', () => {
    expect(() => playlist([segment(0, { uri: 'a\nb' })])).toThrow(RangeError);
    expect(() => playlist([segment(0, { durationTicks: -1 })])).toThrow(RangeError);
    expect(() => playlist([segment(0)], { mediaSequence: 1.5 })).toThrow(RangeError);
  });
});
