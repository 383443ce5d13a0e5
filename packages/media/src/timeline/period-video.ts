import { fingerprint } from './resend-filter.ts';
import { VIDEO_TIMESCALE } from './grid.ts';
import { VideoLayout } from './video-layout.ts';
import type { Step } from './jump-detector.ts';
import type { Rational } from './rational.ts';
import type { FrameCounts, TimedUnit } from './running-period.ts';
import type { TimelineUnit, WireUnit } from './timeline-event.ts';

const VIDEO_TRACK_ID = 1;
/** Decode times that step back by up to this come from the encoder's own reordering (NVENC); further back they are old. */
const UNEVEN_STEP_MS = 100;
const UNEVEN_FRAMES = 3;
/** Pictures among which a duplicate is looked for: more than fit into an uneven step. */
const RECENT_PICTURES = 16;

/**
 * The video of an open period: drops duplicates and old pictures, keeps filler and the encoder's pictures apart, and holds one
 * picture back where its duration or its place is not known yet.
 */
export class PeriodVideo {
  readonly layout: VideoLayout;
  readonly #startTicks: number;
  readonly #counts: FrameCounts;
  #held: TimelineUnit | undefined;
  #lastDuration: number;
  #lastIdr: WireUnit | undefined;
  #lastTimeMs = -Infinity;
  /** Fingerprints of the latest pictures, oldest first. */
  readonly #recent: string[] = [];
  #isAwaitingIdr = true;
  #floorMs = 0;

  constructor(
    options: {
      readonly startTicks: number;
      readonly originMs: number;
      readonly compositionMs: number;
      readonly frameRate: Rational | undefined;
    },
    counts: FrameCounts,
  ) {
    this.layout = new VideoLayout(options);
    this.#startTicks = options.startTicks;
    this.#counts = counts;
    const rate = options.frameRate;
    this.#lastDuration =
      rate === undefined
        ? VIDEO_TIMESCALE / 30
        : Math.round((VIDEO_TIMESCALE * rate.denominator) / rate.numerator);
  }

  /** Ms from the period's start to the end of the last picture, or to the end of a hole that all tracks share. */
  get frontMs(): number {
    const end = this.layout.lastDts + this.#lastDuration - this.#startTicks;
    return Math.max((end * 1000) / VIDEO_TIMESCALE, this.#floorMs);
  }

  /** True once there is an IDR to fill with. */
  get canFill(): boolean {
    return this.#lastIdr !== undefined;
  }

  /** Nobody has media up to `timeMs`: nothing is filled in there. */
  skipTo(timeMs: number): void {
    this.#floorMs = Math.max(this.#floorMs, timeMs);
  }

  /** Takes a picture; returns those whose time and duration are known. */
  push(timed: TimedUnit, step: Exclude<Step, 'jump'>): TimelineUnit[] {
    const { unit, timeMs, arrivalMs } = timed;
    if (!this.#isWanted(timed, step)) {
      this.#counts.droppedVideo += 1;
      return [];
    }
    this.#isAwaitingIdr = false;
    if (unit.isRandomAccess) {
      this.#lastIdr = unit;
      this.#makeRoom();
    }
    this.#lastTimeMs = Math.max(this.#lastTimeMs, timeMs);
    const placement = this.layout.place(timeMs, unit.compositionOffsetMs);
    return this.#release({
      type: 'unit',
      kind: 'video',
      trackId: VIDEO_TRACK_ID,
      ...placement,
      duration: this.layout.duration ?? this.#lastDuration,
      isRandomAccess: unit.isRandomAccess,
      isFiller: false,
      data: unit.data,
      arrivalMs,
    });
  }

  /** Appends the last IDR, a second after the last picture; from then on only an IDR of the encoder is taken. */
  fill(arrivalMs: number): TimelineUnit[] {
    const idr = this.#lastIdr;
    if (idr === undefined) return [];
    this.#isAwaitingIdr = true;
    return this.#release({
      type: 'unit',
      kind: 'video',
      trackId: VIDEO_TRACK_ID,
      ...this.layout.placeFiller(this.#startTicks + Math.round((this.#floorMs * VIDEO_TIMESCALE) / 1000)),
      duration: this.layout.duration ?? this.#lastDuration,
      isRandomAccess: true,
      isFiller: true,
      data: idr.data,
      arrivalMs,
    });
  }

  /** Gives out the picture that was held back. */
  flush(): TimelineUnit[] {
    const held = this.#held;
    this.#held = undefined;
    return held === undefined ? [] : [held];
  }

  #isWanted({ unit, timeMs }: TimedUnit, step: Exclude<Step, 'jump'>): boolean {
    if (this.#isAwaitingIdr && !unit.isRandomAccess) return false;
    // Filler may have gone further than the encoder's first IDR after it.
    if (this.#isAwaitingIdr && this.layout.framesAhead(timeMs) < -1) return false;
    const key = fingerprint(unit);
    if (step === 'behind') {
      const isUneven =
        this.#lastTimeMs - timeMs <= UNEVEN_STEP_MS && this.layout.framesAhead(timeMs) >= -UNEVEN_FRAMES;
      if (!isUneven || this.#recent.includes(key)) return false;
    }
    this.#recent.push(key);
    if (this.#recent.length > RECENT_PICTURES) this.#recent.shift();
    return true;
  }

  /** Before an IDR nothing refers to the picture in front of it any more: the one that may go when there are too many. */
  #makeRoom(): void {
    if (this.#held === undefined || this.#held.isRandomAccess || !this.layout.isCrowded) return;
    this.#held = undefined;
    this.layout.releaseLast();
    this.#counts.droppedVideo += 1;
  }

  #release(unit: TimelineUnit): TimelineUnit[] {
    const held = this.#held;
    const before = held === undefined ? [] : [this.#withDuration(held, unit.dts)];
    const isHeld = this.layout.duration === undefined || this.layout.isCrowded;
    this.#lastDuration = before[0]?.duration ?? unit.duration;
    this.#held = isHeld ? unit : undefined;
    return isHeld ? before : [...before, unit];
  }

  /** With a known rate the duration is fixed; else it ends where the next picture begins. */
  #withDuration(held: TimelineUnit, nextDts: number): TimelineUnit {
    return this.layout.duration === undefined ? { ...held, duration: nextDts - held.dts } : held;
  }
}
