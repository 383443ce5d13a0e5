import { describe, expect, test } from '@jest/globals';
import { parseMediaPath } from './media-path.ts';

const PLACE = { sessionId: '01J5SESSION', renditionId: '720p' };

describe('a path under /media', () => {
  test.each([
    ['index.m3u8', { object: 'playlist', form: 'fmp4' }],
    ['ts.m3u8', { object: 'playlist', form: 'ts' }],
    ['init-0.mp4', { object: 'init', period: 0 }],
    ['init-17.mp4', { object: 'init', period: 17 }],
    ['895000000.m4s', { object: 'segment', form: 'fmp4', k: 895_000_000 }],
    ['0.m4s', { object: 'segment', form: 'fmp4', k: 0 }],
    ['895000000.1.m4s', { object: 'part', k: 895_000_000, part: 1 }],
    ['895000000.ts', { object: 'segment', form: 'ts', k: 895_000_000 }],
  ])('%s', (file, expected) => {
    const parsed = { ...PLACE, ...expected };
    expect(parseMediaPath(`/media/01J5SESSION/720p/${file}`)).toEqual(parsed);
    expect(parseMediaPath(`/media/01J5SESSION/720p/${file}?_HLS_msn=1`)).toEqual(parsed);
  });

  test.each([
    '',
    '/',
    '*',
    '/media',
    '/media/',
    '/media//720p/index.m3u8',
    '/media/S/720p/index.m3u8/',
    '/media/S/../720p/index.m3u8',
    '/media/S/..%2f/index.m3u8',
    '/media/S/.hidden/index.m3u8',
    '/media/S/720p/INDEX.M3U8',
    '/media/S/720p/007.m4s',
    '/media/S/720p/-1.m4s',
    '/media/S/720p/1e3.m4s',
    '/media/S/720p/9999999999999999.m4s',
    '/media/S/720p/1.01.m4s',
    '/media/S/720p/1.1.ts',
    '/media/S/720p/init-00.mp4',
    '/media/S/720p/index.m3u8\n',
    `/media/${'S'.repeat(65)}/720p/index.m3u8`,
    'http://host/media/S/720p/index.m3u8',
  ])('%j is none', (target) => {
    expect(parseMediaPath(target)).toBeUndefined();
  });
});
