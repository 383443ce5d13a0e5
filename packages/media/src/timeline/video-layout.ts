import { frameTicks } from './frame-rate.ts';
import { VIDEO_TIMESCALE } from './grid.ts';
import type { Rational } from './rational.ts';

const TICKS_PER_MS = VIDEO_TIMESCALE / 1000;
/** A picture later than this by its clock leaves a hole; up to it the clock was only uneven. */
const LATE_FRAMES = 0.75;
/** With pictures this much too early, one before the next IDR has to go. */
const CROWDED_FRAMES = 1.5;
/** Pictures that run away from their clock by more than this do not have the rate they were said to have. */
const WRONG_RATE_FRAMES = 3;

/** Times of a picture in 90 kHz ticks since 1970. */
export interface VideoPlacement {
  readonly dts: number;
  readonly compositionOffset: number;
}

/**
 * Lays the pictures of a period out at 90 kHz: on exact frame times when the rate is known, else on the encoder's ms.
 *
 * The first IDR has dts = pts = the period's start; composition offsets are relative to its own, so they may be negative.
 */
export class VideoLayout {
  readonly #startTicks: number;
  readonly #originMs: number;
  readonly #compositionMs: number;
  readonly #rate: Rational | undefined;
  #lastIndex = -1;
  #previousIndex = -1;
  #lastDts: number;
  #looseShift = 0;
  #deviation = 0;
  #isRateWrong = false;

  constructor(options: {
    readonly startTicks: number;
    /** Decode time of the first IDR on the wire, in ms. */
    readonly originMs: number;
    /** Its composition offset on the wire, in ms. */
    readonly compositionMs: number;
    readonly frameRate: Rational | undefined;
  }) {
    this.#startTicks = options.startTicks;
    this.#originMs = options.originMs;
    this.#compositionMs = options.compositionMs;
    this.#rate = options.frameRate;
    this.#lastDts = options.startTicks - 1;
  }

  /** Takes the place of a picture; always behind the one before. */
  place(dtsMs: number, compositionOffsetMs: number): VideoPlacement {
    const compositionMs = compositionOffsetMs - this.#compositionMs;
    const sinceStartMs = dtsMs - this.#originMs;
    const rate = this.#exactRate;
    if (rate === undefined) return this.#placeLoose(sinceStartMs, compositionMs);
    const exact = (sinceStartMs * rate.numerator) / (1000 * rate.denominator);
    const expected = this.#lastIndex + 1;
    this.#deviation = exact - expected;
    if (this.#deviation < -WRONG_RATE_FRAMES) {
      this.#isRateWrong = true;
      this.#looseShift = this.#startTicks + frameTicks(expected, rate) - this.#looseDts(sinceStartMs);
      return this.#placeLoose(sinceStartMs, compositionMs);
    }
    const index = this.#deviation > LATE_FRAMES ? Math.round(exact) : expected;
    return this.#placeExact(
      index,
      Math.round((compositionMs * rate.numerator) / (1000 * rate.denominator)),
      rate,
    );
  }

  /** Takes the place a second after the last picture, but not before `earliestTicks`, for the last IDR again. */
  placeFiller(earliestTicks: number): VideoPlacement {
    const rate = this.#exactRate;
    if (rate === undefined) {
      this.#lastDts = Math.max(this.#lastDts + VIDEO_TIMESCALE, earliestTicks);
      return { dts: this.#lastDts, compositionOffset: 0 };
    }
    const earliest = Math.ceil(
      ((earliestTicks - this.#startTicks) * rate.numerator) / (VIDEO_TIMESCALE * rate.denominator),
    );
    const next = this.#lastIndex + Math.ceil(rate.numerator / rate.denominator);
    return this.#placeExact(Math.max(next, earliest), 0, rate);
  }

  /** Gives the last place back: its picture was dropped. */
  releaseLast(): void {
    const rate = this.#exactRate;
    if (rate === undefined) return;
    this.#lastIndex = this.#previousIndex;
    this.#lastDts = this.#startTicks + frameTicks(this.#lastIndex, rate);
  }

  /** Duration of the last picture, when it follows from the rate. */
  get duration(): number | undefined {
    const rate = this.#exactRate;
    return rate === undefined
      ? undefined
      : frameTicks(this.#lastIndex + 1, rate) - frameTicks(this.#lastIndex, rate);
  }

  /** How many frames a picture at `dtsMs` is away from the next free place; negative when it is early. */
  framesAhead(dtsMs: number): number {
    const rate = this.#exactRate;
    if (rate === undefined) return 0;
    return ((dtsMs - this.#originMs) * rate.numerator) / (1000 * rate.denominator) - (this.#lastIndex + 1);
  }

  /** True when more pictures came than the rate has places for. */
  get isCrowded(): boolean {
    return this.#deviation < -CROWDED_FRAMES;
  }

  /** True when the pictures do not have the rate they were said to have; they keep the encoder's ms from then on. */
  get isRateWrong(): boolean {
    return this.#isRateWrong;
  }

  /** Decode time of the last picture in ticks since 1970. */
  get lastDts(): number {
    return this.#lastDts;
  }

  get #exactRate(): Rational | undefined {
    return this.#isRateWrong ? undefined : this.#rate;
  }

  #placeExact(index: number, compositionFrames: number, rate: Rational): VideoPlacement {
    this.#previousIndex = this.#lastIndex;
    this.#lastIndex = index;
    this.#lastDts = this.#startTicks + frameTicks(index, rate);
    const pts = this.#startTicks + signedFrameTicks(index + compositionFrames, rate);
    return { dts: this.#lastDts, compositionOffset: pts - this.#lastDts };
  }

  #placeLoose(sinceStartMs: number, compositionMs: number): VideoPlacement {
    this.#deviation = 0;
    this.#lastDts = Math.max(this.#lastDts + 1, this.#looseDts(sinceStartMs) + this.#looseShift);
    return { dts: this.#lastDts, compositionOffset: Math.round(compositionMs * TICKS_PER_MS) };
  }

  #looseDts(sinceStartMs: number): number {
    return this.#startTicks + Math.round(sinceStartMs * TICKS_PER_MS);
  }
}

function signedFrameTicks(index: number, rate: Rational): number {
  return index >= 0 ? frameTicks(index, rate) : -frameTicks(-index, rate);
}
