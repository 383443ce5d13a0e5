/** Longest `v` of a safe integer: 53 bits in groups of 7. */
const MAX_VARINT_BYTES = 8;

/** Size of a number as NUT's `v`. */
export function varintBytes(value: number): number {
  let count = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) count += 1;
  return count;
}

/** Writes NUT's `v`: groups of 7 bits, most significant first, all but the last with the high bit set. Returns the next offset. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  const count = varintBytes(value);
  let rest = value;
  for (let index = count - 1; index >= 0; index -= 1) {
    bytes[at + index] = (rest % 128) | (index === count - 1 ? 0 : 0x80);
    rest = Math.floor(rest / 128);
  }
  return at + count;
}

/** The bytes of some numbers as `v`. */
export function varints(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * MAX_VARINT_BYTES);
  let at = 0;
  for (const value of values) at = writeVarint(bytes, at, value);
  return bytes.subarray(0, at);
}
