/** PTS, DTS and PCR bases are 33 bits of 90 kHz (E-4). */
const TIMESTAMP_MODULUS = 2 ** 33;
const STREAM_ID = { audio: 0xc0, video: 0xe0 } as const;
const FIXED_BYTES = 9;
const TIMESTAMP_BYTES = 5;

/** Wraps ticks of 90 kHz since 1970 to 33 bits. */
export function wrapTimestamp(ticks: number): number {
  return ((ticks % TIMESTAMP_MODULUS) + TIMESTAMP_MODULUS) % TIMESTAMP_MODULUS;
}

/**
 * Marshals a PES header (ISO/IEC 13818-1 2.4.3.7), timestamps in 90 kHz, wrapped here; a DTS is written where it differs.
 *
 * `payloadBytes` is written where it fits, which it always does for audio; video may leave it open.
 */
export function marshalPesHeader(
  kind: 'audio' | 'video',
  times: { readonly pts: number; readonly dts: number },
  payloadBytes: number,
): Buffer {
  const hasDts = times.dts !== times.pts;
  const headerData = TIMESTAMP_BYTES * (hasDts ? 2 : 1);
  const bytes = Buffer.alloc(FIXED_BYTES + headerData);
  const length = 3 + headerData + payloadBytes;
  bytes.writeUInt32BE(0x100 | STREAM_ID[kind], 0);
  if (length <= 0xffff) bytes.writeUInt16BE(length, 4);
  else if (kind === 'audio') throw new RangeError(`an audio PES packet of ${length} bytes`);
  bytes[6] = 0x84; // data_alignment_indicator: an access unit begins here
  bytes[7] = hasDts ? 0xc0 : 0x80;
  bytes[8] = headerData;
  writeTimestamp(bytes, FIXED_BYTES, hasDts ? 3 : 2, wrapTimestamp(times.pts));
  if (hasDts) writeTimestamp(bytes, FIXED_BYTES + TIMESTAMP_BYTES, 1, wrapTimestamp(times.dts));
  return bytes;
}

function writeTimestamp(bytes: Buffer, at: number, prefix: number, value: number): void {
  bytes[at] = (prefix << 4) | (Math.floor(value / 2 ** 30) << 1) | 1;
  bytes.writeUInt16BE((Math.floor(value / 2 ** 15) % 2 ** 15) * 2 + 1, at + 1);
  bytes.writeUInt16BE((value % 2 ** 15) * 2 + 1, at + 3);
}
