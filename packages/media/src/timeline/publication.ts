import { classifyStep } from './jump-detector.ts';
import { TimestampUnwrapper } from './timestamp-unwrap.ts';
import type { Step } from './jump-detector.ts';
import type { Rational } from './rational.ts';
import type { TimedUnit } from './running-period.ts';
import type { AudioConfig, TrackConfig, VideoConfig, WireUnit } from './timeline-event.ts';

/** For this long after video jumped, audio of the time before it may still come. */
const LATE_AUDIO_MS = 2000;
/** No encoder reorders over more than this. */
const LARGEST_COMPOSITION_MS = 5000;

/** What `onMetaData` says; advisory. */
export interface TimelineMetadata {
  readonly frameRate?: number | undefined;
  readonly hasVideo: boolean;
  readonly hasAudio: boolean;
}

/** One encoder connection: its clock, its latest units and what it said about its tracks. */
export class Publication {
  video: VideoConfig | undefined;
  audio: AudioConfig | undefined;
  metadata: TimelineMetadata | undefined;
  /** The frame rate that was stated has been found wrong. */
  isStatedRateWrong = false;
  readonly #wire = new TimestampUnwrapper();
  readonly #latest = new Map<'video' | 'audio', TimedUnit>();
  #jump: { readonly audio: TimedUnit; readonly video: TimedUnit } | undefined;

  /** Takes a track's configuration; says whether it is the same as before, another one, or the first. */
  configure(config: TrackConfig): 'same' | 'changed' | 'first' {
    const before = config.kind === 'video' ? this.video : this.audio;
    if (before !== undefined && isSameConfig(before, config)) return 'same';
    if (config.kind === 'video') this.video = config;
    else this.audio = config;
    if (before === undefined) return 'first';
    // What was found out about a rate belongs to the configuration.
    if (config.kind === 'video') this.isStatedRateWrong = false;
    return 'changed';
  }

  /** Puts a unit on the publication's unwrapped clock. */
  time(unit: WireUnit, arrivalMs: number): TimedUnit {
    const offset = unit.kind === 'video' ? Math.round(unit.compositionOffsetMs) || 0 : 0;
    const compositionOffsetMs = Math.max(-LARGEST_COMPOSITION_MS, Math.min(LARGEST_COMPOSITION_MS, offset));
    const timeMs = this.#wire.unwrap(unit.kind, unit.timestampMs >>> 0);
    return { unit: { ...unit, compositionOffsetMs }, timeMs, arrivalMs };
  }

  /** Judges a unit against the latest of its track in the period. */
  step(timed: TimedUnit, segmentDuration: Rational, graceSeconds: number): Step {
    const latest = this.#latest.get(timed.unit.kind);
    if (latest === undefined) return 'continuous';
    const stepMs = timed.timeMs - latest.timeMs;
    const wallMs = timed.arrivalMs - latest.arrivalMs;
    return classifyStep({ stepMs, wallMs, segmentDuration, graceSeconds });
  }

  /** The unit is its track's latest. */
  accept(timed: TimedUnit): void {
    this.#latest.set(timed.unit.kind, timed);
  }

  /** A period begins: nothing came before. */
  forgetLatest(): void {
    this.#latest.clear();
  }

  /** The video's clock jumped; audio that goes on by the clock before may still be under way. */
  noteJump(video: TimedUnit): void {
    const audio = this.#latest.get('audio');
    this.#jump = audio === undefined ? undefined : { audio, video };
  }

  /** True for audio of the time before the video's jump: both tracks are corrected once, together. */
  isFromBeforeJump({ unit, timeMs, arrivalMs }: TimedUnit): boolean {
    if (this.#jump === undefined || unit.kind !== 'audio') return false;
    const { audio, video } = this.#jump;
    const isOver = arrivalMs - video.arrivalMs > LATE_AUDIO_MS;
    const toBefore = Math.abs(timeMs - (audio.timeMs + arrivalMs - audio.arrivalMs));
    const toBehind = Math.abs(timeMs - (video.timeMs + arrivalMs - video.arrivalMs));
    if (!isOver && toBefore < toBehind) return true;
    this.#jump = undefined;
    return false;
  }
}

/** True for the identical repeat of a sequence header, which some encoders send with every IDR. */
export function isSameConfig(a: TrackConfig, b: TrackConfig): boolean {
  return (
    a.decoderConfig.length === b.decoderConfig.length &&
    a.decoderConfig.every((value, index) => value === b.decoderConfig[index])
  );
}
