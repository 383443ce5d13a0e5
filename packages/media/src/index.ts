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
