/** Fixed part of a record, and the head of its first array. */
const LEAST_BYTES = 24;
/** Bits that are always ones: offset and mask (ISO/IEC 14496-15, 8.3.3.1.2). */
const RESERVED: readonly (readonly [offset: number, mask: number])[] = [
  [13, 0xf0],
  [15, 0xfc],
  [16, 0xfc],
  [17, 0xf8],
  [18, 0xf8],
];
/** VPS, SPS and PPS, as the arrays of a record are named. */
const PARAMETER_SET_TYPES: readonly number[] = [32, 33, 34];

/**
 * Whether bytes that should be an avcC are an hvcC: OBS up to 29.0 sends HEVC under the number of H.264 (srs#3464).
 *
 * Only a guess for the words of a refusal; takes any bytes.
 */
export function isHevcConfiguration(bytes: Uint8Array): boolean {
  if (bytes.length < LEAST_BYTES) return false;
  const hasReserved = RESERVED.every(([offset, mask]) => ((bytes[offset] ?? 0) & mask) === mask);
  return hasReserved && PARAMETER_SET_TYPES.includes((bytes[23] ?? 0) & 0x3f);
}
