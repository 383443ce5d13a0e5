/** AAS 8.11: a live playlist lists six segments at least. */
const FEWEST_SEGMENTS = 6;
/** H-8: a live playlist is never shorter than this many target durations. */
const FEWEST_TARGET_DURATIONS = 3;

/** Least duration of a live playlist that has begun to slide, in seconds (H-8). */
export function fewestWindowSeconds(targetDurationSeconds: number): number {
  return FEWEST_TARGET_DURATIONS * targetDurationSeconds;
}

/** How many segments of `segmentSeconds` a live playlist lists: those wanted, and never fewer than AAS 8.11 and H-8 ask for. */
export function windowSegmentCount(
  wanted: number,
  durations: { readonly segmentSeconds: number; readonly targetDurationSeconds: number },
): number {
  const { segmentSeconds, targetDurationSeconds } = durations;
  return Math.max(
    wanted,
    FEWEST_SEGMENTS,
    Math.ceil(fewestWindowSeconds(targetDurationSeconds) / segmentSeconds),
  );
}

/** How long a segment stays downloadable after it left the playlist, in seconds (H-8). */
export function removedStaySeconds(segmentSeconds: number, longestPlaylistSeconds: number): number {
  return segmentSeconds + longestPlaylistSeconds;
}

/** How long everything of an ended session stays, in seconds: the window, and H-8 for the segment that leaves it last. */
export function endedStaySeconds(segmentSeconds: number, longestPlaylistSeconds: number): number {
  return longestPlaylistSeconds + removedStaySeconds(segmentSeconds, longestPlaylistSeconds);
}
