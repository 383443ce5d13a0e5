import type { MediaPlaylist } from './media-playlist.ts';
import type { Report } from './report.ts';

const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(?:Z|[+-]\d\d:\d\d)$/;
const FRAGMENTED_NAME = /\.(?:m4s|mp4|m4a|m4v)$/;
const SEGMENT_NAME = /\.(?:m4s|mp4|m4a|m4v|ts|aac)$/;

/** Holds one revision of a live media playlist to the rules that need nothing else. */
export function checkMediaPlaylist(playlist: MediaPlaylist, where: string, report: Report): void {
  const { lines, segments, targetDuration } = playlist;
  report.expect(lines[0] === '#EXTM3U', 'H-20', where, `the first line is ${lines[0] ?? 'missing'}`);
  report.expect(
    targetDuration !== undefined && Number.isInteger(targetDuration) && targetDuration >= 1,
    'H-1',
    where,
    `EXT-X-TARGETDURATION is ${String(targetDuration)}`,
  );
  for (const segment of segments) {
    report.expect(
      Math.round(segment.durationSeconds) <= (targetDuration ?? 0),
      'H-2',
      where,
      `EXTINF ${segment.durationSeconds} of ${segment.msn} is above the target duration ${String(targetDuration)}`,
    );
    report.expect(
      SEGMENT_NAME.test(new URL(segment.url).pathname),
      'H-20',
      where,
      `${segment.url} has no honest extension`,
    );
  }
  checkOrder(playlist, where, report);
  checkDates(playlist, where, report);
  checkVersion(playlist, where, report);
  report.expect(
    !lines.some((line) => line.startsWith('#EXT-X-PLAYLIST-TYPE')),
    'H-13',
    where,
    'a live playlist has EXT-X-PLAYLIST-TYPE',
  );
  report.expect(
    !(playlist.isEnded && lines.some((line) => line.startsWith('#EXT-X-PRELOAD-HINT'))),
    'H-13',
    where,
    'EXT-X-PRELOAD-HINT beside EXT-X-ENDLIST',
  );
}

function checkOrder({ lines, segments }: MediaPlaylist, where: string, report: Report): void {
  const firstUri = lines.findIndex((line) => line !== '' && !line.startsWith('#'));
  const firstDiscontinuity = lines.indexOf('#EXT-X-DISCONTINUITY');
  const at = (tag: string): number => lines.findIndex((line) => line.startsWith(tag));
  const before = (index: number, limit: number): boolean => index >= 0 && (limit < 0 || index < limit);
  report.expect(
    before(at('#EXT-X-MEDIA-SEQUENCE:'), firstUri),
    'H-5',
    where,
    'EXT-X-MEDIA-SEQUENCE is not before the first segment',
  );
  const discontinuitySequence = at('#EXT-X-DISCONTINUITY-SEQUENCE:');
  report.expect(
    before(discontinuitySequence, firstUri) && before(discontinuitySequence, firstDiscontinuity),
    'H-6',
    where,
    'EXT-X-DISCONTINUITY-SEQUENCE is not before the first segment and the first EXT-X-DISCONTINUITY',
  );
  for (const segment of segments) {
    const isFragmented = FRAGMENTED_NAME.test(new URL(segment.url).pathname);
    report.expect(
      !isFragmented || segment.isGap || segment.mapUrl !== undefined,
      'H-11',
      where,
      `segment ${segment.msn} has no EXT-X-MAP`,
    );
  }
}

function checkDates({ segments }: MediaPlaylist, where: string, report: Report): void {
  for (const [index, segment] of segments.entries()) {
    if (index === 0 || segment.isDiscontinuity) {
      report.expect(
        segment.pdt !== undefined,
        'H-10',
        where,
        `segment ${segment.msn} has no EXT-X-PROGRAM-DATE-TIME`,
      );
    }
    if (segment.pdt !== undefined) {
      report.expect(
        DATE_TIME.test(segment.pdt),
        'H-10',
        where,
        `${segment.pdt} has no milliseconds or no zone`,
      );
    }
  }
}

function checkVersion(playlist: MediaPlaylist, where: string, report: Report): void {
  const has = (pattern: RegExp): boolean => playlist.lines.some((line) => pattern.test(line));
  let needed = 1;
  if (has(/^#EXTINF:\d+\.\d/)) needed = 3;
  if (has(/^#EXT-X-(?:BYTERANGE|I-FRAMES-ONLY)/)) needed = 4;
  // fMP4 cannot be without EXT-X-MAP (H-11); a window of nothing but gaps may be, and the version stays (H-4).
  const isFragmented = playlist.segments.some(({ url }) => FRAGMENTED_NAME.test(new URL(url).pathname));
  if (has(/^#EXT-X-MAP:/) || isFragmented) needed = 6;
  if (has(/^#EXT-X-DEFINE/)) needed = 8;
  if (has(/^#EXT-X-SKIP/)) needed = 9;
  report.expect(
    (playlist.version ?? 1) === needed,
    'H-12',
    where,
    `EXT-X-VERSION is ${String(playlist.version)}, the tags need ${needed}`,
  );
}
