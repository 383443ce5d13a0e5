import { segmentNumber, segmentStartTicks, VIDEO_TIMESCALE } from './grid.ts';
import { rationalToNumber } from './rational.ts';
import { UtcOffsetEstimator } from './utc-offset.ts';
import type { Rational } from './rational.ts';
import type { SegmentStarted, TimelineUnit } from './timeline-event.ts';

/** For this long after its first unit a period may still find out how early an undelayed unit comes. */
const BASELINE_MS = 5000;

/** Begins the segments of a period: each with the wall clock that is frozen for it. */
export class SegmentClock {
  readonly #segmentDuration: Rational;
  readonly #segmentMs: number;
  readonly #startMs: number;
  readonly #openedMs: number;
  readonly #estimator = new UtcOffsetEstimator();
  #baselineMs: number;
  #currentK: number;
  #frozenMs: number;

  constructor(options: {
    readonly firstK: number;
    readonly segmentDuration: Rational;
    readonly openedMs: number;
  }) {
    const { firstK, segmentDuration, openedMs } = options;
    this.#segmentDuration = segmentDuration;
    this.#segmentMs = 1000 * rationalToNumber(segmentDuration);
    this.#startMs = segmentStartTicks(firstK, VIDEO_TIMESCALE, segmentDuration) / 90;
    this.#openedMs = openedMs;
    this.#estimator.add(openedMs, this.#startMs);
    this.#baselineMs = this.#estimator.offsetMs;
    this.#frozenMs = this.#baselineMs;
    this.#currentK = firstK - 1;
  }

  /** The newest segment that was begun; one before the period's first until then. */
  get currentK(): number {
    return this.#currentK;
  }

  /** True when media comes later than at the period's start by more than a segment. */
  get isLate(): boolean {
    return this.#frozenMs - this.#baselineMs > this.#segmentMs;
  }

  /** True when media comes earlier than at the period's start by more than a segment. */
  get isFast(): boolean {
    return this.#baselineMs - this.#frozenMs > this.#segmentMs;
  }

  /** Takes a unit; returns the segments that begin with it, normally none or one. */
  add(unit: TimelineUnit, timescale: number): SegmentStarted[] {
    if (!unit.isFiller) {
      this.#estimator.add(unit.arrivalMs, ((unit.dts + unit.compositionOffset) * 1000) / timescale);
      if (unit.arrivalMs - this.#openedMs <= BASELINE_MS) {
        this.#baselineMs = Math.min(this.#baselineMs, this.#estimator.offsetMs);
      }
    }
    const k = segmentNumber(unit.dts, timescale, this.#segmentDuration);
    const begun: SegmentStarted[] = [];
    while (this.#currentK < k) {
      this.#currentK += 1;
      this.#frozenMs = this.#estimator.offsetMs;
      begun.push({
        type: 'segment-started',
        k: this.#currentK,
        utcOffsetUs: Math.round(this.#frozenMs * 1000),
      });
    }
    return begun;
  }
}
