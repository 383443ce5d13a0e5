import { rational } from '@millrace/media';
import type { Rational } from '@millrace/media';

/**
 * Reads an exact rational from how people write one: `2`, `0.5` (up to three decimals), `"30000/1001"`.
 *
 * Returns `undefined` for anything else, for 0, and for terms of more than seven digits.
 */
export function parseRational(value: number | string): Rational | undefined {
  if (typeof value === 'number') {
    const thousandths = Math.round(value * 1000);
    if (!(value > 0 && value <= 1e4) || Math.abs(thousandths - value * 1000) > 1e-6) return undefined;
    return thousandths === 0 ? undefined : rational(thousandths, 1000);
  }
  const match = /^([1-9][0-9]{0,6})\/([1-9][0-9]{0,6})$/.exec(value);
  return match === null ? undefined : rational(Number(match[1]), Number(match[2]));
}

/** Writes a rational as `parseRational` reads it: a number when three decimals hold it, else `"n/d"`. */
export function formatRational({ numerator, denominator }: Rational): number | string {
  return 1000 % denominator === 0 ? numerator / denominator : `${numerator}/${denominator}`;
}
