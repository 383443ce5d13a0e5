/** How far from the last timestamp an extended field of fmt 1 or 2 may lie and still be read as absolute. */
const ABSOLUTE_WINDOW_MS = 0x7fffff;

/**
 * Whether the extended field of a fmt 1 or 2 header is an absolute time instead of a delta.
 *
 * The specification says delta; SRS wrote absolute for years (veovera/enhanced-rtmp#42, srs#4356). A real delta of this
 * size is a jump of more than 4.6 hours, so a value near the last timestamp can only be absolute.
 */
export const isAbsoluteExtendedTimestamp = (field: number, lastTimestampMs: number): boolean =>
  Math.abs((field - lastTimestampMs) | 0) <= ABSOLUTE_WINDOW_MS;

/**
 * How many bytes at `at` are the extended timestamp of a fmt 3 chunk: 4, or 0 when the sender left it out, or -1 when
 * the input ends before that is known.
 *
 * librtmp, rtmpdump and OBS before obs-studio#10097 leave it out, so only bytes that repeat the field of the last header,
 * or the absolute time of the message, are taken for it.
 */
export const matchExtendedTimestamp = (
  bytes: Uint8Array,
  at: number,
  end: number,
  field: number,
  timestampMs: number,
): -1 | 0 | 4 => {
  const canField = matches(bytes, at, end, field);
  const canTimestamp = matches(bytes, at, end, timestampMs);
  if (!canField && !canTimestamp) return 0;
  return end - at >= 4 ? 4 : -1;
};

const matches = (bytes: Uint8Array, at: number, end: number, value: number): boolean => {
  for (let i = 0; i < 4 && at + i < end; i += 1) {
    if (bytes[at + i] !== ((value >>> (24 - 8 * i)) & 0xff)) return false;
  }
  return true;
};
