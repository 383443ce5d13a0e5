import type { FlvTag } from './flv-reader.ts';

const TAG_TYPES: Readonly<Record<FlvTag['type'], number>> = { audio: 8, video: 9, script: 18 };
const TAG_HEADER_BYTES = 11;

/** Marshals the header of an FLV file (FLV 10.1 E.2), and the back pointer in front of the first tag. */
export function marshalFlvHeader({ hasAudio, hasVideo }: { hasAudio: boolean; hasVideo: boolean }): Buffer {
  const flags = (hasAudio ? 4 : 0) | (hasVideo ? 1 : 0);
  return Buffer.from([0x46, 0x4c, 0x56, 1, flags, 0, 0, 0, 9, 0, 0, 0, 0]);
}

/** Marshals a tag and the back pointer behind it. Throws `RangeError` for a body over 24 bits or a time over 32 bits. */
export function marshalFlvTag({ type, timestampMs, body }: FlvTag): Buffer {
  const bytes = Buffer.alloc(TAG_HEADER_BYTES + body.length + 4);
  bytes[0] = TAG_TYPES[type];
  bytes.writeUIntBE(body.length, 1, 3);
  // Written as 32 bits, then shifted: the upper 8 bits come last, and the stream id behind them is 0.
  bytes.writeUInt32BE(timestampMs, 4);
  const upper = bytes.readUInt8(4);
  bytes.copyWithin(4, 5, 8);
  bytes[7] = upper;
  bytes.set(body, TAG_HEADER_BYTES);
  bytes.writeUInt32BE(TAG_HEADER_BYTES + body.length, TAG_HEADER_BYTES + body.length);
  return bytes;
}
