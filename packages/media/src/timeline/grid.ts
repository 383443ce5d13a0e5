import { assertRational, assertSafe } from './rational.ts';
import type { Rational } from './rational.ts';

/** Ticks per second of every video time. */
export const VIDEO_TIMESCALE = 90_000;

/** e of the segment rule, as a fraction of a second: a sample up to 0.5 ms before a boundary belongs behind it. */
const EPSILON_DENOMINATOR = 2000;

/** Highest timescale that the grid functions take. */
const MAX_TIMESCALE = 192_000;

/** A part: number of its segment and index within it. */
export interface GridPosition {
  readonly k: number;
  readonly part: number;
}

/**
 * The number of the segment that a sample belongs to: `K = floor((t + e) / SEG)`, e = 0.5 ms (E-1).
 *
 * `ticks` is the decode time as CMAF writes it, since 1970, in `timescale`; exact for every safe integer.
 *
 * @throws RangeError when a value is out of range.
 */
export function segmentNumber(ticks: number, timescale: number, segment: Rational): number {
  return gridIndex(ticks, timescale, segment);
}

/**
 * The segment and part that a sample belongs to: `j = floor((t + e - K*SEG) / PT)`.
 *
 * `partDuration` has to divide `segment`, as `raisePartDuration` makes it.
 */
export function partPosition(
  ticks: number,
  timescale: number,
  segment: Rational,
  partDuration: Rational,
): GridPosition {
  const perSegment = partsPerSegment(segment, partDuration);
  const index = gridIndex(ticks, timescale, partDuration);
  const k = Math.floor(index / perSegment);
  return { k, part: index - k * perSegment };
}

/** The index of the part within its segment; `partPosition` without the segment number. */
export function partIndex(
  ticks: number,
  timescale: number,
  segment: Rational,
  partDuration: Rational,
): number {
  return partPosition(ticks, timescale, segment, partDuration).part;
}

/**
 * How many parts every segment has.
 *
 * @throws RangeError when the part duration does not divide the segment duration.
 */
export function partsPerSegment(segment: Rational, partDuration: Rational): number {
  const dividend = segment.numerator * partDuration.denominator;
  const divisor = segment.denominator * partDuration.numerator;
  if (dividend % divisor !== 0) {
    throw new RangeError(
      `a part of ${describe(partDuration)} s does not divide a segment of ${describe(segment)} s`,
    );
  }
  return dividend / divisor;
}

/** The grid point `K * SEG` in a timescale, rounded to the nearest tick; exact wherever SEG is whole in it. */
export function segmentStartTicks(k: number, timescale: number, segment: Rational): number {
  return nominalTicks(k, timescale, segment);
}

/** The first tick that belongs to segment K under the 0.5 ms rule: the smallest t with `segmentNumber(t) = K`. */
export function segmentFirstTick(k: number, timescale: number, segment: Rational): number {
  return firstTick(k, timescale, segment);
}

/** The grid point `K * SEG + j * PT` in a timescale, rounded to the nearest tick. */
export function partStartTicks(
  position: GridPosition,
  timescale: number,
  segment: Rational,
  partDuration: Rational,
): number {
  return nominalTicks(overallPart(position, segment, partDuration), timescale, partDuration);
}

/** The first tick that belongs to a part under the 0.5 ms rule. */
export function partFirstTick(
  position: GridPosition,
  timescale: number,
  segment: Rational,
  partDuration: Rational,
): number {
  return firstTick(overallPart(position, segment, partDuration), timescale, partDuration);
}

/** The number of the first segment whose grid point is at or after a wall-clock time in ms since 1970. */
export function firstSegmentAtOrAfter(timeMs: number, segment: Rational): number {
  assertRational(segment);
  const scaled = BigInt(Math.ceil(timeMs)) * BigInt(segment.denominator);
  const divisor = 1000n * BigInt(segment.numerator);
  return Number((scaled + divisor - 1n) / divisor);
}

/** Converts ticks to another timescale, rounded to the nearest tick, halves up; exact arithmetic. */
export function rescale(ticks: number, fromTimescale: number, toTimescale: number): number {
  assertTimescale(fromTimescale);
  assertTimescale(toTimescale);
  const seconds = Math.floor(assertSafe(ticks) / fromTimescale);
  const rest = ticks - seconds * fromTimescale;
  return assertSafe(
    seconds * toTimescale + Math.floor((2 * rest * toTimescale + fromTimescale) / (2 * fromTimescale)),
  );
}

/** floor((t + e) / step), with t split into seconds and rest so that plain numbers stay exact. */
function gridIndex(ticks: number, timescale: number, step: Rational): number {
  assertTimescale(timescale);
  assertRational(step);
  const { numerator, denominator } = step;
  const seconds = Math.floor(assertSafe(ticks) / timescale);
  const rest = ticks - seconds * timescale;
  const scaled = seconds * denominator;
  if (!Number.isSafeInteger(scaled)) return wideGridIndex(ticks, timescale, step);
  const whole = Math.floor(scaled / numerator);
  const remainder = scaled - whole * numerator;
  const unit = EPSILON_DENOMINATOR * timescale;
  const part = remainder * unit + (EPSILON_DENOMINATOR * rest + timescale) * denominator;
  return whole + Math.floor(assertSafe(part) / (unit * numerator));
}

function wideGridIndex(ticks: number, timescale: number, step: Rational): number {
  const scaled = (BigInt(EPSILON_DENOMINATOR) * BigInt(ticks) + BigInt(timescale)) * BigInt(step.denominator);
  const divisor = BigInt(EPSILON_DENOMINATOR) * BigInt(timescale) * BigInt(step.numerator);
  const quotient = scaled / divisor;
  return Number(scaled < 0n && quotient * divisor !== scaled ? quotient - 1n : quotient);
}

function firstTick(index: number, timescale: number, step: Rational): number {
  assertTimescale(timescale);
  assertRational(step);
  const epsilon = BigInt(EPSILON_DENOMINATOR);
  const divisor = epsilon * BigInt(step.denominator);
  const start =
    epsilon * BigInt(assertSafe(index)) * BigInt(step.numerator) * BigInt(timescale) -
    BigInt(timescale) * BigInt(step.denominator);
  const quotient = start / divisor;
  return assertSafe(Number(start > 0n && quotient * divisor !== start ? quotient + 1n : quotient));
}

function nominalTicks(index: number, timescale: number, step: Rational): number {
  assertTimescale(timescale);
  assertRational(step);
  const divisor = 2n * BigInt(step.denominator);
  const start = 2n * BigInt(assertSafe(index)) * BigInt(step.numerator) * BigInt(timescale);
  return assertSafe(Number((start + BigInt(step.denominator)) / divisor));
}

function overallPart({ k, part }: GridPosition, segment: Rational, partDuration: Rational): number {
  return k * partsPerSegment(segment, partDuration) + part;
}

function assertTimescale(timescale: number): void {
  if (!Number.isInteger(timescale) || timescale < 1000 || timescale > MAX_TIMESCALE) {
    throw new RangeError(`timescale ${timescale}: must be an integer from 1000 to ${MAX_TIMESCALE}`);
  }
}

function describe({ numerator, denominator }: Rational): string {
  return denominator === 1 ? String(numerator) : `${numerator}/${denominator}`;
}
