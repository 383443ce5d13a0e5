export { ParseError } from './parse-error.ts';
export type { ParseErrorKind } from './parse-error.ts';

export { FragmentReader } from './isobmff/fragment-reader.ts';
export type { FragmentEvent } from './isobmff/fragment-reader.ts';
export { parseFragment } from './isobmff/fragment-parser.ts';
export { fragmentHeaderBytes, marshalFragment } from './isobmff/fragment-writer.ts';
export { parseInitSegment } from './isobmff/init-parser.ts';
export type { InitTrack } from './isobmff/init-parser.ts';
export { marshalInitSegment } from './isobmff/init-writer.ts';
export type { AudioInit, VideoInit } from './isobmff/init-writer.ts';
export type { TrackFragment, TrackSample } from './isobmff/track-sample.ts';

export { marshalDuration } from './dash/iso8601.ts';
export { marshalMpd } from './dash/mpd-writer.ts';
export type {
  MpdAdaptationSet,
  MpdInput,
  MpdLife,
  MpdPeriod,
  MpdRepresentation,
  MpdSegment,
  MpdSegmentTemplate,
  Ticks,
} from './dash/mpd.ts';

export { compareRationals, MAX_RATIONAL_TERM, rational, rationalToNumber } from './timeline/rational.ts';
export type { Rational } from './timeline/rational.ts';
export {
  firstSegmentAtOrAfter,
  partFirstTick,
  partIndex,
  partPosition,
  partsPerSegment,
  partStartTicks,
  rescale,
  segmentFirstTick,
  segmentNumber,
  segmentStartTicks,
  VIDEO_TIMESCALE,
} from './timeline/grid.ts';
export type { GridPosition } from './timeline/grid.ts';
export {
  audioCadence,
  partTargetUs,
  raisePartDuration,
  targetDurationSeconds,
  videoCadence,
} from './timeline/part-target.ts';
export type { SampleCadence } from './timeline/part-target.ts';
export type {
  AudioConfig,
  BoundaryReached,
  PeriodEnded,
  PeriodOpened,
  PeriodReason,
  SegmentStarted,
  TimelineEvent,
  TimelineTrack,
  TimelineUnit,
  TimelineWarning,
  TimelineWarningId,
  TrackConfig,
  VideoConfig,
  WireUnit,
} from './timeline/timeline-event.ts';

export { marshalAttributes, quotedString } from './hls/attribute-list.ts';
export { marshalMediaPlaylist } from './hls/media-playlist.ts';
export type { HlsSegment, MediaPlaylistInput } from './hls/media-playlist.ts';
export { marshalMultivariantPlaylist } from './hls/multivariant-playlist.ts';
export type {
  HlsAudioRendition,
  HlsVariant,
  MultivariantPlaylistInput,
} from './hls/multivariant-playlist.ts';
