/** A ratio of two positive integers, such as a frame rate. */
export interface Ratio {
  readonly numerator: number;
  readonly denominator: number;
}

// RFC 8216bis 4.2: a quoted string holds no line feed, carriage return or double quote; no other control helps anybody.
const ILLEGAL_IN_QUOTES = /["\p{Cc}\p{Cs}]/u;
const ENUMERATED_STRING = /^[^"\s,\p{Cc}]+$/u;
const ATTRIBUTE_NAME = /^[A-Z0-9-]+$/;

/**
 * Quotes a value for an attribute list (RFC 8216bis 4.2).
 *
 * Throws `RangeError` for a double quote, a control character or half a surrogate pair, none of which can be written.
 */
export function quotedString(value: string): string {
  if (ILLEGAL_IN_QUOTES.test(value))
    throw new RangeError(`${JSON.stringify(value)} cannot be a quoted string of a playlist`);
  return `"${value}"`;
}

/**
 * An attribute value that is written without quotes and is not a number (RFC 8216bis 4.2).
 *
 * Throws `RangeError` for quotes, commas and white space.
 */
export function enumeratedString(value: string): string {
  if (!ENUMERATED_STRING.test(value))
    throw new RangeError(`${JSON.stringify(value)} cannot be an enumerated string of a playlist`);
  return value;
}

/** A `decimal-integer` attribute value. Throws `RangeError` unless it is a safe, non-negative integer. */
export function decimalInteger(value: number): string {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`${value} cannot be a decimal integer of a playlist`);
  return String(value);
}

/** FRAME-RATE: three decimals (M-2). Throws `RangeError` unless both parts are positive integers. */
export function frameRate(rate: Ratio): string {
  if (![rate.numerator, rate.denominator].every((part) => Number.isSafeInteger(part) && part > 0))
    throw new RangeError(`${rate.numerator}/${rate.denominator} is not a frame rate`);
  return (rate.numerator / rate.denominator).toFixed(3);
}

/**
 * Joins attributes with values that are written already; those that are `undefined` are left out.
 *
 * Throws `RangeError` for a name that RFC 8216bis 4.2 does not allow.
 */
export function marshalAttributes(attributes: Readonly<Record<string, string | undefined>>): string {
  const written: string[] = [];
  for (const [name, value] of Object.entries(attributes)) {
    if (!ATTRIBUTE_NAME.test(name)) throw new RangeError(`${JSON.stringify(name)} is not an attribute name`);
    if (value !== undefined) written.push(`${name}=${value}`);
  }
  return written.join(',');
}
