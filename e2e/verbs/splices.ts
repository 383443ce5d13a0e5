import { setTimeout as delay } from 'node:timers/promises';

const LOOK_MS = 300;

/** How one period of a rendition follows on the one before, as its media playlist says. */
export interface Splice {
  /** Media time from the end of the last segment to the beginning of the next. */
  readonly mediaGapSeconds: number;
  /** The same by the wall clock at which the encoders sent them; negative where something is shown twice. */
  readonly wallGapSeconds: number;
}

interface Segment {
  readonly k: number;
  readonly seconds: number;
  readonly sentMs: number;
  readonly isDiscontinuity: boolean;
}

/** Follows the media playlist of a rendition of a session until it has ended, and says how its periods follow each other. */
export async function followSplices(
  playlistUrl: string,
  segmentSeconds: number,
  deadlineMs: number,
): Promise<readonly Splice[]> {
  const deadline = AbortSignal.timeout(deadlineMs);
  const segments = new Map<number, Segment>();
  for (;;) {
    const response = await fetch(playlistUrl, { signal: deadline });
    const text = await response.text();
    if (response.status === 200) for (const segment of readSegments(text)) segments.set(segment.k, segment);
    if (text.includes('#EXT-X-ENDLIST')) break;
    await delay(LOOK_MS, undefined, { signal: deadline });
  }
  const inOrder = [...segments.values()].toSorted((a, b) => a.k - b.k);
  return inOrder.flatMap((next, index) => {
    const last = inOrder[index - 1];
    if (!next.isDiscontinuity || last === undefined) return [];
    return {
      mediaGapSeconds: (next.k - last.k) * segmentSeconds - last.seconds,
      wallGapSeconds: (next.sentMs - last.sentMs) / 1000 - last.seconds,
    };
  });
}

/** Segments with media; a discontinuity in front of a gap counts for the next one with media. */
function readSegments(text: string): readonly Segment[] {
  const segments: Segment[] = [];
  let isDiscontinuity = false;
  let isGap = false;
  let seconds = 0;
  let sentMs = Number.NaN;
  for (const line of text.split('\n')) {
    if (line === '#EXT-X-DISCONTINUITY') isDiscontinuity = true;
    else if (line === '#EXT-X-GAP') isGap = true;
    else if (line.startsWith('#EXTINF:')) seconds = Number.parseFloat(line.slice('#EXTINF:'.length));
    else if (line.startsWith('#EXT-X-PROGRAM-DATE-TIME:'))
      sentMs = Date.parse(line.slice(line.indexOf(':') + 1));
    if (line === '' || line.startsWith('#')) continue;
    const k = Number(/(\d+)\.m4s$/.exec(line)?.[1] ?? Number.NaN);
    if (!isGap) {
      segments.push({ k, seconds, sentMs, isDiscontinuity });
      isDiscontinuity = false;
    }
    isGap = false;
  }
  return segments;
}
