import { ParseError } from '../../parse-error.ts';

const MAX_NAL_UNITS = 4096;
const START_CODE_BYTES = 4;

/**
 * Splits an Annex B byte stream (H.264 Annex B) into its NAL units, as slices without start codes and trailing zeros.
 *
 * Bytes in front of the first start code that are not zero are `invalid`.
 */
export function splitAnnexB(bytes: Uint8Array): Uint8Array[] {
  const nals: Uint8Array[] = [];
  let start = findStartCode(bytes, 0);
  const lead = start === -1 ? bytes.length : start;
  for (let at = 0; at < lead; at += 1) {
    if (bytes[at] !== 0) throw new ParseError('invalid', at, 'no start code in front of the first NAL unit');
  }
  while (start !== -1) {
    const next = findStartCode(bytes, start + 3);
    let end = next === -1 ? bytes.length : next;
    while (end > start + 3 && bytes[end - 1] === 0) end -= 1;
    if (end > start + 3) nals.push(bytes.subarray(start + 3, end));
    if (nals.length > MAX_NAL_UNITS)
      throw new ParseError('too-large', start, `more than ${MAX_NAL_UNITS} NAL units`);
    start = next;
  }
  return nals;
}

/** Puts NAL units behind one another, each after a four-byte start code. */
export function joinAnnexB(nals: readonly Uint8Array[]): Buffer {
  let total = 0;
  for (const nal of nals) total += START_CODE_BYTES + nal.length;
  const bytes = Buffer.allocUnsafe(total);
  let at = 0;
  for (const nal of nals) {
    bytes.writeUInt32BE(1, at);
    bytes.set(nal, at + START_CODE_BYTES);
    at += START_CODE_BYTES + nal.length;
  }
  return bytes;
}

/** Offset of the next 00 00 01, or -1. */
function findStartCode(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(1, from + 2); at !== -1; at = bytes.indexOf(1, at + 1)) {
    if (bytes[at - 1] === 0 && bytes[at - 2] === 0) return at - 2;
  }
  return -1;
}
