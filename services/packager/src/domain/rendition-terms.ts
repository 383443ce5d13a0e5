import { session } from '@millrace/contracts';
import { windowSegmentCount } from '@millrace/media';
import type { RenditionTerms } from './rendition-window.ts';

/** What a session has fixed for one of its renditions; `undefined` for one that it does not have. */
export function termsOf(presentation: session.Presentation, renditionId: string): RenditionTerms | undefined {
  const rendition = presentation.renditions.find(({ id }) => id === renditionId);
  if (rendition === undefined) return undefined;
  const { targetDurationSeconds, segmentDurationSeconds: duration } = presentation;
  const segmentSeconds =
    duration === undefined ? targetDurationSeconds : duration.numerator / duration.denominator;
  return {
    timescale: rendition.timescale,
    segmentSeconds,
    targetDurationSeconds,
    windowSegments: windowSegmentCount(presentation.windowSegments, {
      segmentSeconds,
      targetDurationSeconds,
    }),
    isRemadeWhole:
      rendition.kind === session.TrackKind.VIDEO &&
      !rendition.isPassthrough &&
      presentation.preset === session.Preset.QUALITY,
  };
}
