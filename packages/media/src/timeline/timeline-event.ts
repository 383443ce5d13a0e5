import type { Rational } from './rational.ts';

/** The video configuration that an encoder sent, parsed. */
export interface VideoConfig {
  readonly kind: 'video';
  /** RFC 6381 codec string. */
  readonly codec: string;
  /** avcC. A configuration with the same bytes is a repeat and changes nothing. */
  readonly decoderConfig: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** Frame rate as the VUI has it. */
  readonly frameRate?: Rational | undefined;
  readonly sampleAspectRatio?: Rational | undefined;
  readonly isInterlaced: boolean;
}

/** The audio configuration that an encoder sent, parsed. */
export interface AudioConfig {
  readonly kind: 'audio';
  /** RFC 6381 codec string. */
  readonly codec: string;
  /** AudioSpecificConfig. */
  readonly decoderConfig: Uint8Array;
  /** Samples per second: the timescale of the track. */
  readonly sampleRate: number;
  readonly channelCount: number;
  /** Samples of one access unit at `sampleRate`: 1024, or 960. */
  readonly samplesPerFrame: number;
  /** One access unit of silence in this configuration, for filling. */
  readonly silentFrame: Uint8Array;
}

/** The configuration of a track. */
export type TrackConfig = VideoConfig | AudioConfig;

/** A track of a period. */
export interface TimelineTrack {
  /** 1 for video, 2 for audio. */
  readonly trackId: number;
  /** 90000 for video, the sample rate for audio. */
  readonly timescale: number;
  readonly config: TrackConfig;
  /** Frame rate by which the video is laid out; unset when it varies, and for audio. */
  readonly frameRate?: Rational | undefined;
}

/** An access unit as the encoder sent it. */
export interface WireUnit {
  readonly kind: 'video' | 'audio';
  /** Decode time as on the wire: 32 bits, in ms. */
  readonly timestampMs: number;
  /** Composition time minus decode time in ms; 0 for audio. */
  readonly compositionOffsetMs: number;
  /** True for an IDR; ignored for audio. */
  readonly isRandomAccess: boolean;
  readonly data: Uint8Array;
}

/** Why a period was opened, as `Period.reason` has it. */
export type PeriodReason =
  | 'first'
  | 'reconnect'
  | 'takeover'
  | 'failover'
  | 'timestamp-jump'
  | 'configuration'
  | 'encoder-late'
  | 'worker-request';

/** Stable ids of what is worth an event or a log line. */
export type TimelineWarningId =
  | 'audio-unannounced'
  | 'video-unannounced'
  | 'video-missing'
  | 'clock-fast'
  | 'frames-dropped'
  | 'audio-corrected'
  | 'frame-rate-wrong'
  | 'opening-overflow';

/** A period begins; what follows belongs to it until its end. */
export interface PeriodOpened {
  readonly type: 'period-opened';
  readonly ordinal: number;
  readonly firstK: number;
  /** The grid point of `firstK` in 90 kHz ticks: decode and presentation time of the first IDR. */
  readonly startTicks: number;
  /** Video first. */
  readonly tracks: readonly TimelineTrack[];
  readonly reason: PeriodReason;
  /** SEG; from the source's own IDRs where the channel says so. */
  readonly segmentDuration: Rational;
}

/** A segment begins; comes before its first access unit of any track, for every K of the period in order. */
export interface SegmentStarted {
  readonly type: 'segment-started';
  readonly k: number;
  /** UTC = pts + utcOffset, in microseconds; frozen for this K. */
  readonly utcOffsetUs: number;
}

/** An access unit with its absolute time. */
export interface TimelineUnit {
  readonly type: 'unit';
  readonly kind: 'video' | 'audio';
  readonly trackId: number;
  /** Decode time as CMAF writes it, in the track's timescale since 1970; strictly rising within a track and period. */
  readonly dts: number;
  /** Composition time minus decode time in the track's timescale; may be negative. */
  readonly compositionOffset: number;
  /** In the track's timescale. */
  readonly duration: number;
  readonly isRandomAccess: boolean;
  /** True when it was made up to fill a hole. */
  readonly isFiller: boolean;
  readonly data: Uint8Array;
  /** When the access unit came, in ms since 1970. */
  readonly arrivalMs: number;
}

/** Video has reached a segment of the period other than its first: what a `source` rung needs to know. */
export interface BoundaryReached {
  readonly type: 'boundary';
  /** The segment that begins. */
  readonly k: number;
  /** True when its first picture is an IDR and nothing was skipped, so that the source can be cut here. */
  readonly isMet: boolean;
  /** Bytes of video in the segment before. */
  readonly previousBytes: number;
}

/** A period is over. */
export interface PeriodEnded {
  readonly type: 'period-ended';
  readonly ordinal: number;
  /** The segment of the last picture, or of the last frame where no picture came. */
  readonly lastK: number;
}

/** Something that a user should hear about; the session goes on. */
export interface TimelineWarning {
  readonly type: 'warning';
  readonly id: TimelineWarningId;
  readonly message: string;
  /** Frames concerned since the last warning of this id, where it counts them. */
  readonly count?: number;
}

/** What a `SessionTimeline` says. */
export type TimelineEvent =
  PeriodOpened | SegmentStarted | TimelineUnit | BoundaryReached | PeriodEnded | TimelineWarning;
