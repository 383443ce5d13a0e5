import { ParseError } from '../../parse-error.ts';

/** nal_unit_type values that matter here (H.264 table 7-1). */
export const NAL_TYPE = {
  slice: 1,
  idrSlice: 5,
  sei: 6,
  sps: 7,
  pps: 8,
  accessUnitDelimiter: 9,
  endOfSequence: 10,
  endOfStream: 11,
  filler: 12,
  spsExtension: 13,
} as const;

/** Size in bytes of the length in front of each NAL unit, from the decoder configuration. */
export type NalLengthSize = 1 | 2 | 4;

/** An access unit of more NAL units than this is refused; level 6.2 with the most slices a picture may have needs fewer. */
const MAX_NAL_UNITS = 4096;

/** nal_unit_type of a NAL unit; 0 (unspecified) for one without bytes. */
export function nalType(nal: Uint8Array): number {
  return (nal[0] ?? 0) & 0x1f;
}

/**
 * Splits length-prefixed data into its NAL units, as slices without their lengths; empty ones are left out.
 *
 * Throws `ParseError` when a length does not fit.
 */
export function splitLengthPrefixed(bytes: Uint8Array, lengthSize: NalLengthSize): Uint8Array[] {
  const nals: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = nalLength(bytes, at, lengthSize);
    at += lengthSize;
    if (size > 0) nals.push(bytes.subarray(at, at + size));
    if (nals.length > MAX_NAL_UNITS)
      throw new ParseError('too-large', at, `more than ${MAX_NAL_UNITS} NAL units`);
    at += size;
  }
  return nals;
}

/** The length written at `at`, checked against the end. */
function nalLength(bytes: Uint8Array, at: number, lengthSize: NalLengthSize): number {
  if (bytes.length - at < lengthSize)
    throw new ParseError('truncated', at, `a NAL length needs ${lengthSize} bytes`);
  let size = 0;
  for (let index = 0; index < lengthSize; index += 1) size = size * 256 + (bytes[at + index] ?? 0);
  const left = bytes.length - at - lengthSize;
  if (size > left) throw new ParseError('truncated', at, `a NAL unit of ${size} bytes, ${left} left`);
  return size;
}

/** Puts NAL units behind one another, each with its length. Throws `RangeError` when one does not fit the length size. */
export function joinLengthPrefixed(nals: readonly Uint8Array[], lengthSize: NalLengthSize): Buffer {
  let total = 0;
  for (const nal of nals) total += lengthSize + nal.length;
  const bytes = Buffer.allocUnsafe(total);
  let at = 0;
  for (const nal of nals) {
    bytes.writeUIntBE(nal.length, at, lengthSize);
    bytes.set(nal, at + lengthSize);
    at += lengthSize + nal.length;
  }
  return bytes;
}
