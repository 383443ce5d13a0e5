import { describe, expect, test } from '@jest/globals';
import { parseMediaPlaylist } from './hls-client.ts';

const TEXT = `#EXTM3U
#EXT-X-TARGETDURATION:2
#EXT-X-MAP:URI="init-1.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.500Z
#EXTINF:2.00000,
7.m4s
#EXT-X-GAP
#EXTINF:1.50000,
8.m4s
#EXTINF:2,
9.m4s
`;

describe('media playlist', () => {
  test('segments have absolute URLs, and their wall clock runs on from the date stated', () => {
    const start = Date.parse('2026-01-02T03:04:05.500Z');
    expect(parseMediaPlaylist(TEXT, 'http://host/media/s/720p/index.m3u8')).toEqual({
      initUrl: 'http://host/media/s/720p/init-1.mp4',
      segments: [
        { url: 'http://host/media/s/720p/7.m4s', durationSeconds: 2, startMs: start, isGap: false },
        { url: 'http://host/media/s/720p/8.m4s', durationSeconds: 1.5, startMs: start + 2000, isGap: true },
        { url: 'http://host/media/s/720p/9.m4s', durationSeconds: 2, startMs: start + 3500, isGap: false },
      ],
    });
  });
});
