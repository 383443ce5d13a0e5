import { session } from '@millrace/contracts';
import { muxTransportStream, parseFragment, parseInitSegment } from '@millrace/media';
import type { TsTrack } from '@millrace/media';
import type { RenditionWindow } from './rendition-window.ts';
import type { SessionWindow } from './session-window.ts';
import type { StoredSegment } from './stored-segment.ts';

/** The audio that goes into the transport stream of a video rendition; `undefined` for an audio rendition, or without any. */
function muxedAudio(window: SessionWindow, rendition: RenditionWindow): RenditionWindow | undefined {
  const renditions = window.presentation?.renditions ?? [];
  const isVideo = renditions.some(
    ({ id, kind }) => id === rendition.renditionId && kind === session.TrackKind.VIDEO,
  );
  const audio = isVideo ? renditions.find(({ kind }) => kind === session.TrackKind.AUDIO) : undefined;
  return audio === undefined ? undefined : window.rendition(audio.id);
}

function hasAudio(window: SessionWindow): boolean {
  return window.presentation?.renditions.some(({ kind }) => kind === session.TrackKind.AUDIO) === true;
}

/** True when the audio of a complete segment is complete too, or will never be there. */
export function isTsReady(
  window: SessionWindow,
  rendition: RenditionWindow,
  segment: StoredSegment,
): boolean {
  if (window.isFinished) return true;
  const kind = window.presentation?.renditions.find(({ id }) => id === rendition.renditionId)?.kind;
  if (kind !== session.TrackKind.VIDEO || !hasAudio(window)) return true;
  return (muxedAudio(window, rendition)?.lastComplete?.k ?? -1) >= segment.k;
}

/** How many of a rendition's complete segments can be had as MPEG-TS: those whose audio is complete too. */
export function tsReadyCount(window: SessionWindow, rendition: RenditionWindow): number {
  let count = rendition.completeCount;
  for (
    let segment = rendition.completeAt(count - 1);
    segment !== undefined;
    segment = rendition.completeAt(count - 1)
  ) {
    if (isTsReady(window, rendition, segment)) break;
    count -= 1;
  }
  return count;
}

/**
 * Muxes a segment that is ready and no gap, with its audio, to MPEG-TS: the same bytes on any replica.
 *
 * `undefined` when its init segment is missing, or its audio has expired a moment before: without it the bytes would be others. Throws `ParseError` when the parts are not what they should be.
 */
export function muxTsSegment(
  window: SessionWindow,
  rendition: RenditionWindow,
  segment: StoredSegment,
): Buffer | undefined {
  const audio = muxedAudio(window, rendition);
  const main = trackOf(window, rendition, segment);
  if (main === undefined) return undefined;
  if (main.kind === 'audio') return muxTransportStream({ audio: main });
  const located = audio?.locate(segment.k);
  if (located?.kind === 'expired') return undefined;
  const audioTrack =
    audio === undefined || located?.kind !== 'held' ? undefined : trackOf(window, audio, located.segment);
  return muxTransportStream({
    video: main,
    // A stream that has audio has it in its PMT even where a segment has none, so that the PMT never changes.
    hasAudio: hasAudio(window),
    ...(audioTrack?.kind === 'audio' ? { audio: audioTrack } : {}),
  });
}

function trackOf(
  window: SessionWindow,
  rendition: RenditionWindow,
  segment: StoredSegment,
): TsTrack | undefined {
  const init = window.init(rendition.renditionId, segment.period);
  if (init === undefined || !segment.isComplete) return undefined;
  const { kind, decoderConfig, timescale } = parseInitSegment(init);
  const fragments = segment.parts.filter(({ isGap }) => !isGap).map(({ bytes }) => parseFragment(bytes));
  return { kind, decoderConfig, timescale, fragments };
}
