import { decimalInteger, marshalAttributes, quotedString } from './attribute-list.ts';
import { uriLine } from './uri-line.ts';

/** One media segment of a media playlist. */
export interface HlsSegment {
  readonly uri: string;
  /** Duration in ticks of `timescale`. */
  readonly durationTicks: number;
  /** Ticks per second. */
  readonly timescale: number;
  /** Wall clock of the first sample, in ms since 1970 (H-10). */
  readonly programDateTimeMs: number;
  /** True when the segment follows a discontinuity (H-7). */
  readonly hasDiscontinuity: boolean;
  /** True when there is no media for it (H-14). */
  readonly isGap: boolean;
  /** Init segment that it needs; absent in MPEG-TS, and for a gap of which nobody knows one. */
  readonly mapUri?: string;
}

/** What a live media playlist says. */
export interface MediaPlaylistInput {
  /** What the segments are; fixed for the session. */
  readonly container: 'fmp4' | 'mpegts';
  /** EXT-X-TARGETDURATION in seconds, fixed for the session (H-1). */
  readonly targetDurationSeconds: number;
  /** Media sequence number of the first segment (H-5). */
  readonly mediaSequence: number;
  /** Discontinuity sequence number in front of the first segment's own EXT-X-DISCONTINUITY (H-6). */
  readonly discontinuitySequence: number;
  /** Oldest first. */
  readonly segments: readonly HlsSegment[];
  /** True when nothing will follow (H-13). */
  readonly isEnded: boolean;
}

/**
 * EXT-X-VERSION of each container: EXTINF with a fraction needs 3, EXT-X-MAP 6. It does not follow the listed segments, since a
 * window of nothing but gaps has no EXT-X-MAP and H-4 does not let the version change and come back.
 */
const VERSIONS = { fmp4: 6, mpegts: 3 } as const;

/**
 * Marshals a live media playlist; equal input gives equal bytes.
 *
 * EXT-X-VERSION is what the container needs (H-12), the same in every revision (H-4). Every segment has its EXT-X-PROGRAM-DATE-TIME (H-10), EXT-X-MAP stands where
 * it changes. Throws `RangeError` for what cannot be written.
 */
export function marshalMediaPlaylist(input: MediaPlaylistInput): string {
  const lines = [
    '#EXTM3U',
    `#EXT-X-VERSION:${VERSIONS[input.container]}`,
    `#EXT-X-TARGETDURATION:${decimalInteger(input.targetDurationSeconds)}`,
    `#EXT-X-MEDIA-SEQUENCE:${decimalInteger(input.mediaSequence)}`,
    // H-6: there from the start, since any stream may come to hold a discontinuity.
    `#EXT-X-DISCONTINUITY-SEQUENCE:${decimalInteger(input.discontinuitySequence)}`,
    '#EXT-X-INDEPENDENT-SEGMENTS',
  ];
  let mapUri: string | undefined;
  for (const segment of input.segments) {
    if (segment.hasDiscontinuity) lines.push('#EXT-X-DISCONTINUITY');
    if (segment.mapUri !== undefined && segment.mapUri !== mapUri) {
      mapUri = segment.mapUri;
      lines.push(`#EXT-X-MAP:${marshalAttributes({ URI: quotedString(uriLine(mapUri)) })}`);
    }
    lines.push(`#EXT-X-PROGRAM-DATE-TIME:${new Date(segment.programDateTimeMs).toISOString()}`);
    if (segment.isGap) lines.push('#EXT-X-GAP');
    lines.push(`#EXTINF:${duration(segment)},`, uriLine(segment.uri));
  }
  if (input.isEnded) lines.push('#EXT-X-ENDLIST');
  return `${lines.join('\n')}\n`;
}

/**
 * Six decimals: half a microsecond of error for a segment, so that an hour of one-second segments is off by less than the
 * shortest frame (H-2).
 */
function duration({ durationTicks, timescale }: HlsSegment): string {
  const seconds = durationTicks / timescale;
  if (!(seconds >= 0 && seconds < Number.MAX_SAFE_INTEGER))
    throw new RangeError(`${durationTicks}/${timescale} s is not the duration of a segment`);
  return seconds.toFixed(6);
}
