import type { session } from '@millrace/contracts';

/** Makes a rational of two positive integers, in lowest terms. */
export function reduced(numerator: number, denominator: number): session.Rational {
  let [a, b] = [numerator, denominator];
  while (b !== 0) [a, b] = [b, a % b];
  return { numerator: numerator / a, denominator: denominator / a };
}

/**
 * Reads an exact rational from how people write one: `2`, `0.5` (up to three decimals), `"30000/1001"`.
 *
 * Returns `undefined` for anything else, for 0, and for terms above 10^7.
 */
export function parseRational(value: number | string): session.Rational | undefined {
  if (typeof value === 'number') {
    const thousandths = Math.round(value * 1000);
    if (!(value > 0 && value <= 1e4) || Math.abs(thousandths - value * 1000) > 1e-6) return undefined;
    return thousandths === 0 ? undefined : reduced(thousandths, 1000);
  }
  const match = /^([1-9][0-9]{0,6})\/([1-9][0-9]{0,6})$/.exec(value);
  return match === null ? undefined : reduced(Number(match[1]), Number(match[2]));
}

/** Writes a rational as `parseRational` reads it: a number when three decimals hold it, else `"n/d"`. */
export function formatRational({ numerator, denominator }: session.Rational): number | string {
  return 1000 % denominator === 0 ? numerator / denominator : `${numerator}/${denominator}`;
}

/** Compares `a` with `b`: negative when smaller, 0 when equal. Exact for terms below 10^7. */
export function compareRationals(a: session.Rational, b: session.Rational): number {
  return a.numerator * b.denominator - b.numerator * a.denominator;
}
