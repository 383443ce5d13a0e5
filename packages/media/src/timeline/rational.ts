/** An exact rational with positive terms: a frame rate in frames per second, or a duration in seconds. */
export interface Rational {
  readonly numerator: number;
  readonly denominator: number;
}

/** Largest term of a rational: with it every product of the grid functions stays a safe integer. */
export const MAX_RATIONAL_TERM = 10_000_000;

/**
 * Makes a rational in lowest terms.
 *
 * @throws RangeError when a term is not an integer from 1 to `MAX_RATIONAL_TERM` after reduction.
 */
export function rational(numerator: number, denominator: number): Rational {
  assertSafe(numerator);
  assertSafe(denominator);
  let [a, b] = [numerator, denominator];
  while (b !== 0) [a, b] = [b, a % b];
  const reduced = { numerator: numerator / a, denominator: denominator / a };
  assertRational(reduced);
  return reduced;
}

/** Compares `a` with `b`: negative when smaller, 0 when equal, positive when larger. Exact. */
export function compareRationals(a: Rational, b: Rational): number {
  return a.numerator * b.denominator - b.numerator * a.denominator;
}

/** The value as a floating-point number, for estimates only. */
export function rationalToNumber({ numerator, denominator }: Rational): number {
  return numerator / denominator;
}

/** Refuses what would make the arithmetic inexact. */
export function assertRational({ numerator, denominator }: Rational): void {
  const isTerm = (term: number): boolean => Number.isInteger(term) && term >= 1 && term <= MAX_RATIONAL_TERM;
  if (!isTerm(numerator) || !isTerm(denominator)) {
    throw new RangeError(
      `${numerator}/${denominator}: terms must be integers from 1 to ${MAX_RATIONAL_TERM}`,
    );
  }
}

/** Refuses an integer that a double does not hold exactly; returns it otherwise. */
export function assertSafe(value: number): number {
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not a safe integer`);
  return value;
}
