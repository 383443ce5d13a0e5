import type { Violation } from './report.ts';
import type { MeasuredVariant } from './variant-rules.ts';

/** What was seen of one media playlist. */
export interface RenditionVerdict {
  /** The last two names of its path: `720p/index`. */
  readonly label: string;
  readonly url: string;
  /** Segments with media that were downloaded. */
  readonly segments: number;
  /** Segments that the playlist says have no media. */
  readonly gaps: number;
  /** Segments that were promised and did not come. */
  readonly missingSegments: number;
  readonly discontinuities: number;
  /** Places where a segment does not begin where the one before ended. */
  readonly tickErrors: number;
  readonly mediaSeconds: number;
  /** Samples by the fragments; for MPEG-TS the packets of the main track. */
  readonly frames: number;
  /** Samples of each fMP4 segment, oldest first; the recent ones. */
  readonly framesPerSegment: readonly number[];
  /** Pictures that the decoder gave; 0 for audio. */
  readonly decodedFrames: number;
  readonly firstMsn: number | undefined;
  readonly lastMsn: number | undefined;
  readonly isEnded: boolean;
}

/** What was seen of one MPD. */
interface MpdVerdict {
  readonly label: string;
  readonly url: string;
  readonly revisions: number;
  readonly periods: number;
  readonly segments: number;
  readonly missingSegments: number;
  readonly isStatic: boolean;
}

/** What a player would have seen. */
export interface Verdict {
  /** Whether `until` came true before the deadline. */
  readonly isComplete: boolean;
  readonly seconds: number;
  readonly segments: number;
  readonly missingSegments: number;
  readonly discontinuities: number;
  readonly gaps: number;
  readonly tickErrors: number;
  readonly renditions: readonly RenditionVerdict[];
  readonly mpds: readonly MpdVerdict[];
  readonly variants: readonly MeasuredVariant[];
  /** The first of every kind; `violationCount` counts all. */
  readonly violations: readonly Violation[];
  readonly violationCount: number;
}

/** Prints a verdict for people. */
export function formatVerdict(verdict: Verdict): string {
  const lines = [
    `${verdict.isComplete ? 'Observed' : 'Gave up'} after ${verdict.seconds.toFixed(1)} s: ${verdict.segments} segments, ` +
      `${verdict.missingSegments} missing, ${verdict.gaps} gaps, ${verdict.discontinuities} discontinuities, ` +
      `${verdict.tickErrors} tick errors, ${verdict.violationCount} violations`,
  ];
  for (const rendition of verdict.renditions) {
    lines.push(
      `  ${rendition.label.padEnd(16)} ${String(rendition.firstMsn ?? '-')}..${String(rendition.lastMsn ?? '-')}` +
        `  ${rendition.segments} segments  ${rendition.mediaSeconds.toFixed(3)} s  ${rendition.frames} frames` +
        `  ${rendition.decodedFrames} decoded${rendition.gaps > 0 ? `  ${rendition.gaps} gaps` : ''}` +
        (rendition.discontinuities > 0 ? `  ${rendition.discontinuities} discontinuities` : '') +
        (rendition.isEnded ? '  ended' : ''),
    );
  }
  for (const mpd of verdict.mpds) {
    lines.push(
      `  ${mpd.label.padEnd(16)} ${mpd.revisions} revisions  ${mpd.periods} periods  ${mpd.segments} segments` +
        (mpd.isStatic ? '  static' : ''),
    );
  }
  for (const variant of verdict.variants) {
    lines.push(
      `  ${variant.label.padEnd(16)} peak ${kilobits(variant.peakBps)} of ${kilobits(variant.declaredBps)},` +
        ` average ${kilobits(variant.averageBps)} of ${kilobits(variant.declaredAverageBps ?? 0)} kb/s`,
    );
  }
  for (const { rule, where, message } of verdict.violations) lines.push(`  ${rule}  ${where}: ${message}`);
  return lines.join('\n');
}

function kilobits(bps: number): string {
  return (bps / 1000).toFixed(0);
}
