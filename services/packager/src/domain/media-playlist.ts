import { marshalMediaPlaylist } from '@millrace/media';
import type { HlsSegment } from '@millrace/media';
import type { RenditionTerms } from './rendition-window.ts';
import type { StoredSegment } from './stored-segment.ts';

/** The forms a rendition is delivered in: CMAF segments, or MPEG-TS with the default audio inside. */
export type PlaylistForm = 'fmp4' | 'ts';

/**
 * Renders the media playlist of a window: a function of the rows, of what the session fixed and of nothing else, so that
 * every replica makes the same bytes. `hasInit` says of which periods there is an init segment.
 */
export function renderMediaPlaylist(options: {
  readonly form: PlaylistForm;
  readonly segments: readonly StoredSegment[];
  readonly terms: RenditionTerms;
  readonly isEnded: boolean;
  readonly hasInit: (period: number) => boolean;
}): string {
  const { form, segments, terms } = options;
  const [first] = segments;
  return marshalMediaPlaylist({
    targetDurationSeconds: terms.targetDurationSeconds,
    mediaSequence: first?.msn ?? 0,
    // H-4: the tag in front of the first segment goes with that segment, so it is not counted yet.
    discontinuitySequence: (first?.discontinuitySequence ?? 0) - (first?.hasDiscontinuity === true ? 1 : 0),
    isEnded: options.isEnded,
    segments: segments.map((segment) => render(segment, form, terms.timescale, options.hasInit)),
  });
}

function render(
  segment: StoredSegment,
  form: PlaylistForm,
  timescale: number,
  hasInit: (period: number) => boolean,
): HlsSegment {
  return {
    uri: `${segment.k}.${form === 'ts' ? 'ts' : 'm4s'}`,
    durationTicks: segment.durationTicks,
    timescale,
    programDateTimeMs: programDateTimeMs(segment, timescale),
    hasDiscontinuity: segment.hasDiscontinuity,
    isGap: segment.isGap,
    // H-4: nobody loads a gap, and a period that begins with one gets its init segment later.
    ...(form === 'fmp4' && !segment.isGap && hasInit(segment.period)
      ? { mapUri: `init-${segment.period}.mp4` }
      : {}),
  };
}

/** Wall clock of a segment's first sample: its media time plus the offset that ingest froze for its K. */
export function programDateTimeMs(segment: StoredSegment, timescale: number): number {
  return Math.floor((segment.baseMediaDecodeTime / timescale) * 1000 + segment.utcOffsetUs / 1000);
}
