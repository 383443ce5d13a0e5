import type { ListedSegment, MediaPlaylist } from './media-playlist.ts';
import type { Report } from './report.ts';

/** Fewest segments of a live window (AAS 8.11), and fewest target durations (H-8). */
const MIN_SEGMENTS = 6;
const MIN_TARGET_DURATIONS = 3;

/** Holds two successive revisions of a media playlist to what may change between them (H-1, H-4, H-5, H-6, H-8, H-13). */
export function checkPlaylistMutation(
  before: MediaPlaylist,
  after: MediaPlaylist,
  where: string,
  report: Report,
): void {
  report.expect(
    after.targetDuration === before.targetDuration,
    'H-1',
    where,
    `the target duration went from ${String(before.targetDuration)} to ${String(after.targetDuration)}`,
  );
  const isForward = report.expect(
    after.mediaSequence >= before.mediaSequence,
    'H-5',
    where,
    `EXT-X-MEDIA-SEQUENCE went from ${before.mediaSequence} to ${after.mediaSequence}`,
  );
  if (!isForward) return;
  report.expect(
    after.discontinuitySequence >= before.discontinuitySequence,
    'H-6',
    where,
    `EXT-X-DISCONTINUITY-SEQUENCE went from ${before.discontinuitySequence} to ${after.discontinuitySequence}`,
  );
  checkHeader(before, after, where, report);
  checkTail(before, after, where, report);
  const known = new Map(before.segments.map((segment) => [segment.msn, segment]));
  const mapped = gapsWithMap(before);
  for (const segment of after.segments) {
    const earlier = known.get(segment.msn);
    if (earlier === undefined) continue;
    const change = describeChange(earlier, segment, mapped.has(segment.msn));
    if (change !== undefined) report.add('H-4', where, `segment ${segment.msn} changed: ${change}`);
    report.expect(
      earlier.dsn === segment.dsn,
      'H-6',
      where,
      `the discontinuity sequence number of ${segment.msn} went from ${earlier.dsn} to ${segment.dsn}`,
    );
  }
  if (after.mediaSequence > before.mediaSequence) checkRemovalFloor(after, where, report);
}

/** Lines in front of the first segment that H-4 has no change for; EXT-X-TARGETDURATION is H-1. */
function checkHeader(before: MediaPlaylist, after: MediaPlaylist, where: string, report: Report): void {
  report.expect(
    after.version === before.version,
    'H-4',
    where,
    `EXT-X-VERSION went from ${String(before.version)} to ${String(after.version)}`,
  );
  report.expect(
    isIndependent(after) === isIndependent(before),
    'H-4',
    where,
    `EXT-X-INDEPENDENT-SEGMENTS was ${isIndependent(after) ? 'added' : 'withdrawn'}`,
  );
}

function isIndependent({ lines }: MediaPlaylist): boolean {
  return lines.includes('#EXT-X-INDEPENDENT-SEGMENTS');
}

/** Gaps behind media with the same discontinuity sequence number: its map is theirs. */
function gapsWithMap({ segments }: MediaPlaylist): ReadonlySet<number> {
  const mapped = new Set<number>();
  const found = new Set<number>();
  for (const { msn, dsn, isGap, mapUrl } of segments) {
    if (!isGap && mapUrl !== undefined) mapped.add(dsn);
    if (isGap && mapped.has(dsn)) found.add(msn);
  }
  return found;
}

function checkTail(before: MediaPlaylist, after: MediaPlaylist, where: string, report: Report): void {
  const last = before.segments.at(-1)?.msn;
  const newLast = after.segments.at(-1)?.msn;
  if (last !== undefined) {
    report.expect(
      newLast !== undefined && newLast >= last,
      'H-4',
      where,
      `the last segment went back from ${last} to ${String(newLast)}`,
    );
  }
  if (before.isEnded) {
    report.expect(after.isEnded, 'H-13', where, 'EXT-X-ENDLIST was withdrawn');
    report.expect(newLast === last, 'H-13', where, 'a segment was added after EXT-X-ENDLIST');
  }
}

/** H-8: what is removed must leave enough; a playlist that has not removed anything may still be short. */
function checkRemovalFloor(after: MediaPlaylist, where: string, report: Report): void {
  const seconds = after.segments.reduce((sum, segment) => sum + segment.durationSeconds, 0);
  const floor = MIN_TARGET_DURATIONS * (after.targetDuration ?? 0);
  report.expect(
    seconds >= floor && after.segments.length >= MIN_SEGMENTS,
    'H-8',
    where,
    `after a removal ${after.segments.length} segments of ${seconds.toFixed(3)} s are left; the floor is ${floor} s and ${MIN_SEGMENTS}`,
  );
}

function describeChange(before: ListedSegment, after: ListedSegment, hasOwnMap: boolean): string | undefined {
  for (const name of ['url', 'durationSeconds', 'isDiscontinuity', 'isGap', 'mapUrl', 'pdt'] as const) {
    // Nobody loads a gap, so the map of other media that happens to be in force there says nothing.
    if (name === 'mapUrl' && after.isGap && !hasOwnMap) continue;
    if (before[name] !== after[name]) return `${name} from ${String(before[name])} to ${String(after[name])}`;
  }
  return undefined;
}
