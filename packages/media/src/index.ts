export { ParseError } from './parse-error.ts';
export type { ParseErrorKind } from './parse-error.ts';

export {
  avcCodecString,
  avcDecoderConfigurationOf,
  marshalAvcDecoderConfiguration,
  parseAvcDecoderConfiguration,
} from './codecs/h264/avc-decoder-configuration.ts';
export type {
  AvcDecoderConfiguration,
  AvcHighProfileFields,
  AvcProfile,
} from './codecs/h264/avc-decoder-configuration.ts';
export { parseSequenceParameterSet } from './codecs/h264/sequence-parameter-set.ts';
export type { SequenceParameterSet } from './codecs/h264/sequence-parameter-set.ts';
export type { ColorDescription, Ratio, VideoUsability } from './codecs/h264/vui.ts';
export { inspectAccessUnit, stripDelimitersAndFiller } from './codecs/h264/access-unit.ts';
export type { AccessUnitContent } from './codecs/h264/access-unit.ts';
export { inBandConfiguration } from './codecs/h264/in-band-configuration.ts';
export { joinLengthPrefixed, NAL_TYPE, nalType, splitLengthPrefixed } from './codecs/h264/nal-unit.ts';
export type { NalLengthSize } from './codecs/h264/nal-unit.ts';
export { joinAnnexB, splitAnnexB } from './codecs/h264/annex-b.ts';
export {
  AAC_SAMPLE_RATES,
  aacCodecString,
  AUDIO_OBJECT_TYPE,
  marshalAudioSpecificConfig,
  parseAudioSpecificConfig,
} from './codecs/aac/audio-specific-config.ts';
export type { AudioSpecificConfig, SpectralBandReplication } from './codecs/aac/audio-specific-config.ts';
export { ADTS_HEADER_BYTES, marshalAdtsHeader } from './codecs/aac/adts.ts';
export { silentAacFrame } from './codecs/aac/silent-frame.ts';
export { marshalEsDescriptor, parseEsDescriptor } from './codecs/aac/es-descriptor.ts';
export type { EsDescriptor } from './codecs/aac/es-descriptor.ts';

export { marshalAudioTag, parseAudioTag } from './flv/audio-tag.ts';
export type { AudioTag } from './flv/audio-tag.ts';
export { marshalVideoTag, parseVideoTag } from './flv/video-tag.ts';
export type { VideoFrameTag, VideoTag } from './flv/video-tag.ts';
export { FlvReader } from './flv/flv-reader.ts';
export type { FlvTag } from './flv/flv-reader.ts';
export { marshalFlvHeader, marshalFlvTag } from './flv/flv-writer.ts';

export { FragmentReader } from './isobmff/fragment-reader.ts';
export type { FragmentEvent } from './isobmff/fragment-reader.ts';
export { parseFragment } from './isobmff/fragment-parser.ts';
export { joinFragments, marshalFragment } from './isobmff/fragment-writer.ts';
export { codecString, parseInitSegment } from './isobmff/init-parser.ts';
export { marshalInitSegment } from './isobmff/init-writer.ts';
export { marshalProducerReferenceTime, marshalSegmentType } from './isobmff/live-boxes.ts';
export type { AudioInit, InitTrack, TrackFragment, TrackSample, VideoInit } from './isobmff/track.ts';

export { NutWriter } from './nut/nut-writer.ts';
export type { NutAudioTrack, NutFrame, NutVideoTrack } from './nut/nut-writer.ts';

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
export { encodedFrameRate, frameRateFromNumber, frameTicks } from './timeline/frame-rate.ts';
export { SessionTimeline } from './timeline/session-timeline.ts';
export type { SessionTimelineOptions } from './timeline/session-timeline.ts';
export type { TimelineMetadata } from './timeline/publication.ts';
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
export {
  endedStaySeconds,
  fewestWindowSeconds,
  removedStaySeconds,
  windowSegmentCount,
} from './hls/live-window.ts';
export { marshalMediaPlaylist } from './hls/media-playlist.ts';
export type { HlsSegment, MediaPlaylistInput } from './hls/media-playlist.ts';
export { marshalMultivariantPlaylist } from './hls/multivariant-playlist.ts';
export type {
  HlsAudioRendition,
  HlsVariant,
  MultivariantPlaylistInput,
} from './hls/multivariant-playlist.ts';

export { transportRateBps } from './mpegts/transport-rate.ts';
export type { ElementaryRate } from './mpegts/transport-rate.ts';
export { muxTransportStream } from './mpegts/transport-stream.ts';
export type { TransportStreamInput } from './mpegts/transport-stream.ts';
export type { TsTrack } from './mpegts/elementary-streams.ts';
