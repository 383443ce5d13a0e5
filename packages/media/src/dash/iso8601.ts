/**
 * Marshals a duration as `PT…S`: the exact decimal, cut after the microsecond.
 *
 * The duration is `numerator / denominator` seconds. Hours and minutes are not used, so that no reader has to add up.
 */
export function marshalDuration(numerator: bigint | number, denominator: bigint | number = 1): string {
  const microseconds = (BigInt(numerator) * 1_000_000n) / BigInt(denominator);
  const seconds = microseconds / 1_000_000n;
  const fraction = (microseconds % 1_000_000n).toString().padStart(6, '0').replace(/0+$/, '');
  return `PT${seconds}${fraction === '' ? '' : `.${fraction}`}S`;
}

/** Marshals a date in UTC with milliseconds: `1970-01-01T00:00:00.000Z`. */
export function marshalDateTime(ms: number): string {
  return new Date(ms).toISOString();
}
