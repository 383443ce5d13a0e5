import { AudioGrid } from './audio-grid.ts';
import { ORDINARY_STEP_MS } from './jump-detector.ts';
import { PeriodVideo } from './period-video.ts';
import { segmentNumber } from './grid.ts';
import { SegmentClock } from './segment-clock.ts';
import type { Step } from './jump-detector.ts';
import type { Rational } from './rational.ts';
import type {
  AudioConfig,
  PeriodOpened,
  TimelineEvent,
  TimelineTrack,
  TimelineUnit,
  WireUnit,
} from './timeline-event.ts';

/** A track that is this far behind the other is filled. */
const FILL_LAG_MS = 1000;
/** A track that sent nothing for this long is filled up to the other one. */
const ABSENT_MS = 2000;
/** Tracks whose clocks differ by more than this do not share an epoch. */
const LARGEST_SKEW_MS = 5000;

/** A unit with its time on the publication's unwrapped clock. */
export interface TimedUnit {
  readonly unit: WireUnit;
  readonly timeMs: number;
  readonly arrivalMs: number;
}

/** The unit that stands at a period's start: the first IDR, or the first audio frame where there is no video. */
export type PeriodAnchor = TimedUnit;

/** Frames that were not passed on as they came, counted since the last report. */
export interface FrameCounts {
  droppedVideo: number;
  droppedAudio: number;
  repeatedAudio: number;
}

/** An open period: gives every unit its absolute time, fills, and begins segments. */
export class RunningPeriod {
  readonly opened: PeriodOpened;
  readonly counts: FrameCounts = { droppedVideo: 0, droppedAudio: 0, repeatedAudio: 0 };
  readonly #clock: SegmentClock;
  readonly #segmentDuration: Rational;
  readonly #anchor: PeriodAnchor;
  readonly #video: PeriodVideo | undefined;
  readonly #audioTrack: TimelineTrack | undefined;
  readonly #silentFrame: Uint8Array;
  readonly #grid: AudioGrid | undefined;
  /** Time on the audio track's clock that is the period's start. */
  #audioOriginMs: number | undefined;
  #audioArrivalMs = -Infinity;
  #audioSamples = 0;
  #lastAudio: Uint8Array;
  #lastVideo: TimedUnit | undefined;
  #videoK: number;
  #hasPicture = false;
  #videoBytes = 0;
  #out: TimelineEvent[] = [];

  constructor(opened: PeriodOpened, anchor: PeriodAnchor) {
    const { firstK, startTicks, segmentDuration, tracks } = opened;
    this.opened = opened;
    this.#anchor = anchor;
    this.#segmentDuration = segmentDuration;
    this.#clock = new SegmentClock({ firstK, segmentDuration, openedMs: anchor.arrivalMs });
    this.#videoK = firstK;
    const video = tracks.find(({ config }) => config.kind === 'video');
    this.#video =
      video === undefined
        ? undefined
        : new PeriodVideo(
            {
              startTicks,
              originMs: anchor.timeMs,
              compositionMs: anchor.unit.compositionOffsetMs,
              frameRate: video.frameRate,
            },
            this.counts,
          );
    this.#audioTrack = tracks.find(({ config }) => config.kind === 'audio');
    const audio = this.#audioTrack?.config as AudioConfig | undefined;
    this.#silentFrame = audio?.silentFrame ?? new Uint8Array();
    this.#lastAudio = this.#silentFrame;
    if (audio !== undefined) {
      const { sampleRate, samplesPerFrame } = audio;
      this.#grid = new AudioGrid({ firstK, startTicks, segmentDuration, sampleRate, samplesPerFrame });
      this.#audioSamples = samplesPerFrame;
    }
  }

  /** True when the period has a track of the kind. */
  has(kind: 'video' | 'audio'): boolean {
    return (kind === 'video' ? this.#video : this.#grid) !== undefined;
  }

  /** The newest segment that was begun. */
  get currentK(): number {
    return this.#clock.currentK;
  }

  /**
   * The segment that the period ends with: that of its last picture, or of its last frame where no picture came. A little
   * audio beyond would be a segment of gaps in every video rendition.
   */
  get lastK(): number {
    return this.#hasPicture ? this.#videoK : this.currentK;
  }

  /** True when the encoder has fallen behind by more than a segment. */
  get isLate(): boolean {
    return this.#clock.isLate;
  }

  /** True when the encoder runs ahead by more than a segment. */
  get isFast(): boolean {
    return this.#clock.isFast;
  }

  /** True when the pictures do not have the frame rate that the period was opened with. */
  get isRateWrong(): boolean {
    return this.#video?.layout.isRateWrong ?? false;
  }

  /** Takes a unit of a track the period has, judged against the track's last; never a jump. */
  push(timed: TimedUnit, step: Exclude<Step, 'jump'>): TimelineEvent[] {
    if (timed.unit.kind === 'video') this.#pushVideo(timed, step);
    else this.#pushAudio(timed, step);
    this.#fill(timed.arrivalMs);
    return this.#takeOut();
  }

  /** Gives out what was held back; the period takes nothing afterwards. */
  flush(): TimelineEvent[] {
    for (const unit of this.#video?.flush() ?? []) this.#emit(unit);
    return this.#takeOut();
  }

  #pushVideo(timed: TimedUnit, step: Exclude<Step, 'jump'>): void {
    const video = this.#video;
    if (video === undefined) return;
    if (step === 'gap') this.#shareGap('video', timed.timeMs - this.#anchor.timeMs, video.frontMs);
    // Nobody sent anything: the audio is not missed yet.
    if (step === 'gap') this.#audioArrivalMs = timed.arrivalMs;
    for (const unit of video.push(timed, step)) this.#emit(unit);
    if (step !== 'behind') this.#lastVideo = timed;
  }

  #pushAudio(timed: TimedUnit, step: Exclude<Step, 'jump'>): void {
    const grid = this.#grid;
    if (grid === undefined) return;
    const isFirst = this.#audioOriginMs === undefined;
    this.#audioOriginMs ??= this.#alignAudio(timed);
    this.#audioArrivalMs = timed.arrivalMs;
    const timeMs = timed.timeMs - this.#audioOriginMs;
    if (step === 'gap' || isFirst) this.#shareGap('audio', timeMs, grid.frontMs);
    const { data } = timed.unit;
    // An empty message is silence.
    const frame = data.length === 0 ? this.#silentFrame : data;
    const placement = grid.place(timeMs);
    switch (placement.action) {
      case 'drop':
        // What lies before the period's first boundary was never part of it.
        if (timeMs > 0) this.counts.droppedAudio += 1;
        return;
      case 'repeat':
        this.counts.repeatedAudio += 1;
        this.#emitAudio(placement.index, this.#lastAudio, timed.arrivalMs, true);
        this.#emitAudio(placement.index + 1, frame, timed.arrivalMs, false);
        break;
      case 'fill':
        for (let index = placement.from; index < placement.index; index++) {
          this.#emitAudio(index, this.#silentFrame, timed.arrivalMs, true);
        }
        this.#emitAudio(placement.index, frame, timed.arrivalMs, false);
        break;
      case 'place':
        this.#emitAudio(placement.index, frame, timed.arrivalMs, false);
        break;
    }
    this.#lastAudio = frame;
  }

  /**
   * Finds the time on the audio clock that is the period's start: the same as on the video clock, unless the two clocks have
   * nothing to do with each other; then arrival decides.
   */
  #alignAudio({ timeMs, arrivalMs }: TimedUnit): number {
    const { unit, timeMs: anchorMs } = this.#anchor;
    const sharedOriginMs = anchorMs + unit.compositionOffsetMs;
    const reference = this.#lastVideo ?? this.#anchor;
    if (Math.abs(timeMs - reference.timeMs) <= LARGEST_SKEW_MS) return sharedOriginMs;
    const sinceReferenceMs = arrivalMs - reference.arrivalMs;
    return timeMs - (reference.timeMs - anchorMs) - sinceReferenceMs;
  }

  /** A gap in one track is a hole in the other as well when that one stopped at about the same time. */
  #shareGap(kind: 'video' | 'audio', timeMs: number, frontMs: number): void {
    const otherFrontMs = kind === 'video' ? this.#grid?.frontMs : this.#video?.frontMs;
    const isAlone = otherFrontMs === undefined;
    const isShared =
      !isAlone && timeMs - otherFrontMs > ORDINARY_STEP_MS && otherFrontMs - frontMs <= ORDINARY_STEP_MS;
    if (kind === 'audio' && (isShared || isAlone)) this.#grid?.skipTo(timeMs);
    if (!isShared) return;
    if (kind === 'video') this.#grid?.skipTo(timeMs);
    else this.#video?.skipTo(timeMs);
  }

  #fill(arrivalMs: number): void {
    const video = this.#video;
    const grid = this.#grid;
    if (video === undefined || grid === undefined) return;
    const isAbsent = arrivalMs - Math.max(this.#audioArrivalMs, this.#anchor.arrivalMs) > ABSENT_MS;
    const isBehind = video.frontMs - grid.frontMs > FILL_LAG_MS;
    if (isBehind || isAbsent) {
      const lagMs = isAbsent ? 0 : FILL_LAG_MS;
      for (;;) {
        const index = grid.fill(video.frontMs, lagMs);
        if (index === undefined) break;
        this.#emitAudio(index, this.#silentFrame, arrivalMs, true);
      }
    }
    while (video.canFill && grid.frontMs - video.frontMs > FILL_LAG_MS) {
      for (const unit of video.fill(arrivalMs)) this.#emit(unit);
    }
  }

  #emitAudio(index: number, data: Uint8Array, arrivalMs: number, isFiller: boolean): void {
    if (this.#grid === undefined || this.#audioTrack === undefined) return;
    this.#emit({
      type: 'unit',
      kind: 'audio',
      trackId: this.#audioTrack.trackId,
      dts: this.#grid.dtsOf(index),
      compositionOffset: 0,
      duration: this.#audioSamples,
      isRandomAccess: true,
      isFiller,
      data,
      arrivalMs,
    });
  }

  #emit(unit: TimelineUnit): void {
    const track = this.opened.tracks.find(({ trackId }) => trackId === unit.trackId);
    if (track === undefined) return;
    this.#out.push(...this.#clock.add(unit, track.timescale));
    if (unit.kind === 'video') this.#countBoundary(unit, track.timescale);
    this.#out.push(unit);
  }

  #countBoundary(unit: TimelineUnit, timescale: number): void {
    const k = segmentNumber(unit.dts, timescale, this.#segmentDuration);
    this.#hasPicture = true;
    if (k > this.#videoK) {
      const isMet = k === this.#videoK + 1 && unit.isRandomAccess && !unit.isFiller;
      this.#out.push({ type: 'boundary', k, isMet, previousBytes: this.#videoBytes });
      this.#videoK = k;
      this.#videoBytes = 0;
    }
    this.#videoBytes += unit.data.length;
  }

  #takeOut(): TimelineEvent[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }
}
