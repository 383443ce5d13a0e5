import { Parser } from 'm3u8-parser';

/** One segment line of a playlist, with what stands before it. */
export interface ListedSegment {
  /** Media sequence number. */
  readonly msn: number;
  /** Discontinuity sequence number. */
  readonly dsn: number;
  readonly url: string;
  readonly durationSeconds: number;
  readonly isDiscontinuity: boolean;
  readonly isGap: boolean;
  readonly mapUrl?: string;
  /** EXT-X-PROGRAM-DATE-TIME as written, when it stands before this very segment. */
  readonly pdt?: string;
}

/** One revision of a media playlist. */
export interface MediaPlaylist {
  readonly url: string;
  readonly text: string;
  readonly receivedMs: number;
  readonly version: number | undefined;
  readonly targetDuration: number | undefined;
  readonly mediaSequence: number;
  readonly discontinuitySequence: number;
  readonly isEnded: boolean;
  readonly segments: readonly ListedSegment[];
  /** Lines that are not segment lines, in order. */
  readonly lines: readonly string[];
}

interface SegmentTags {
  readonly pdt?: string;
  readonly isGap: boolean;
}

/**
 * Reads a media playlist with m3u8-parser; what that does not keep (which tag stands before which segment) comes from the
 * lines.
 */
export function readMediaPlaylist(url: string, text: string, receivedMs: number): MediaPlaylist {
  const parser = new Parser();
  parser.push(text);
  parser.end();
  const { manifest } = parser;
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''));
  const tags = tagsOfSegments(lines);
  const mediaSequence = manifest.mediaSequence ?? 0;
  const discontinuitySequence = manifest.discontinuitySequence ?? 0;
  let dsn = discontinuitySequence;
  const segments = (manifest.segments ?? []).map((segment, index): ListedSegment => {
    if (segment.discontinuity === true) dsn += 1;
    const { pdt, isGap } = tags[index] ?? { isGap: false };
    return {
      msn: mediaSequence + index,
      dsn,
      url: new URL(segment.uri, url).href,
      durationSeconds: segment.duration ?? Number.NaN,
      isDiscontinuity: segment.discontinuity === true,
      isGap,
      ...(segment.map === undefined ? {} : { mapUrl: new URL(segment.map.uri, url).href }),
      ...(pdt === undefined ? {} : { pdt }),
    };
  });
  return {
    url,
    text,
    receivedMs,
    version: manifest.version,
    targetDuration: manifest.targetDuration,
    mediaSequence,
    discontinuitySequence,
    isEnded: manifest.endList === true,
    segments,
    lines,
  };
}

/** m3u8-parser 7.2 does not know EXT-X-GAP, and gives every segment a time. */
function tagsOfSegments(lines: readonly string[]): readonly SegmentTags[] {
  const found: SegmentTags[] = [];
  let tags: { pdt?: string; isGap: boolean } = { isGap: false };
  for (const line of lines) {
    if (line.startsWith('#EXT-X-PROGRAM-DATE-TIME:')) tags.pdt = line.slice(line.indexOf(':') + 1);
    if (line === '#EXT-X-GAP') tags.isGap = true;
    if (line === '' || line.startsWith('#')) continue;
    found.push(tags);
    tags = { isGap: false };
  }
  return found;
}
