import { marshalMediaPlaylist } from '@millrace/media';
import type { HlsSegment } from '@millrace/media';
import type { RenditionTerms } from './rendition-window.ts';
import type { StoredSegment } from './stored-segment.ts';

/** The forms a rendition is delivered in: CMAF segments, or MPEG-TS with the default audio inside. */
export type PlaylistForm = 'fmp4' | 'ts';

interface RenderOptions {
  readonly form: PlaylistForm;
  readonly segments: readonly StoredSegment[];
  readonly terms: RenditionTerms;
  readonly isEnded: boolean;
  readonly hasInit: (period: number) => boolean;
  readonly firstKOf: (period: number) => number | undefined;
}

/**
 * Renders the media playlist of a window: a function of the rows, of what the session fixed and of nothing else, so that
 * every replica makes the same bytes. `hasInit` says of which periods there is an init segment, `firstKOf` with which segment
 * number the session record opened a period.
 */
export function renderMediaPlaylist(options: RenderOptions): string {
  const { form, segments, terms } = options;
  const [first] = segments;
  return marshalMediaPlaylist({
    container: form === 'ts' ? 'mpegts' : 'fmp4',
    targetDurationSeconds: terms.targetDurationSeconds,
    mediaSequence: first?.msn ?? 0,
    // H-4: the tag in front of the first segment goes with that segment, so it is not counted yet.
    discontinuitySequence: (first?.discontinuitySequence ?? 0) - (first?.hasDiscontinuity === true ? 1 : 0),
    isEnded: options.isEnded,
    segments: segments.map((segment) => render(segment, options)),
  });
}

function render(segment: StoredSegment, options: RenderOptions): HlsSegment {
  const { form, terms } = options;
  return {
    uri: `${segment.k}.${form === 'ts' ? 'ts' : 'm4s'}`,
    durationTicks: segment.durationTicks,
    timescale: terms.timescale,
    programDateTimeMs: programDateTimeMs(segment, terms.timescale),
    hasDiscontinuity: segment.hasDiscontinuity,
    isGap: segment.isGap,
    ...(form === 'fmp4' && hasMap(segment, options) ? { mapUri: `init-${segment.period}.mp4` } : {}),
  };
}

/**
 * H-11 wants an EXT-X-MAP for gaps too, H-4 that it stays as it is, also when the last media in front of them leaves the window.
 * A period that begins with gaps gets its init segment behind them, so only gaps that follow media of their period have one,
 * which the row tells whoever begins at it.
 */
function hasMap({ isGap, runFirstK, period }: StoredSegment, { hasInit, firstKOf }: RenderOptions): boolean {
  return hasInit(period) && (!isGap || runFirstK > (firstKOf(period) ?? Infinity));
}

/** Wall clock of a segment's first sample: its media time plus the offset that ingest froze for its K. */
export function programDateTimeMs(segment: StoredSegment, timescale: number): number {
  return Math.floor((segment.baseMediaDecodeTime / timescale) * 1000 + segment.utcOffsetUs / 1000);
}
