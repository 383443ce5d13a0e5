import type { session } from '@millrace/contracts';

const VIDEO_TIMESCALE = 90_000n;
/** A later period may run this much above the cap that was fixed at opening (30 against 29.97) without being halved. */
const CAP_TOLERANCE = 1.002;

/**
 * The rate that a source rate is divided down to so that it does not exceed a cap: the source's rate over a whole number.
 *
 * Exact: 60000/1001 under a cap of 30 is 30000/1001. Without a source rate (variable) the cap is the rate; without a cap the
 * source's rate is; without both the rate stays variable (`undefined`).
 */
export function encodedFrameRate(
  source: session.Rational | undefined,
  cap: session.Rational | undefined,
): session.Rational | undefined {
  if (source === undefined || cap === undefined) return source ?? cap;
  const ratio = (source.numerator * cap.denominator) / (source.denominator * cap.numerator);
  const divisor = Math.max(1, Math.ceil(ratio / CAP_TOLERANCE));
  return reduce(source.numerator, source.denominator * divisor);
}

/** Frame times of a constant rate, anchored at a period's start, in 90 kHz ticks rounded as ffmpeg's `fps` filter does. */
export class FrameGrid {
  readonly #startTicks: number;
  readonly #rate: session.Rational;

  constructor(startTicks: number, rate: session.Rational) {
    this.#startTicks = startTicks;
    this.#rate = rate;
  }

  /** Time of frame `index` in 90 kHz ticks. */
  ticksOf(index: number): number {
    const numerator = BigInt(index) * VIDEO_TIMESCALE * BigInt(this.#rate.denominator);
    const rate = BigInt(this.#rate.numerator);
    return this.#startTicks + Number((2n * numerator + rate) / (2n * rate));
  }

  /** Time of the first frame at or after `ticks`, never before the period's start. */
  firstAtOrAfter(ticks: number): number {
    const elapsed = Math.max(0, ticks - this.#startTicks);
    const guess = Math.floor((elapsed * this.#rate.numerator) / (90_000 * this.#rate.denominator));
    let index = Math.max(0, guess - 1);
    while (this.ticksOf(index) < ticks) index += 1;
    return this.ticksOf(index);
  }
}

function reduce(numerator: number, denominator: number): session.Rational {
  let [a, b] = [numerator, denominator];
  while (b !== 0) [a, b] = [b, a % b];
  return { numerator: numerator / a, denominator: denominator / a };
}
