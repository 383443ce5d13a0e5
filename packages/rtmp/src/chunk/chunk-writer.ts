import type { RtmpMessage } from '../message-type.ts';

const EXTENDED = 0xffffff;

interface LastHeader {
  timestampMs: number;
  length: number;
  typeId: number;
  streamId: number;
  deltaMs: number;
}

/**
 * Turns messages into chunks (R1 5.3).
 *
 * Headers are compressed to fmt 1 and 2 where the message before on the same chunk stream allows it; fmt 3 only continues
 * a message, and then always repeats an extended timestamp. Play will write its audio and video through here.
 */
export class ChunkWriter {
  readonly #last = new Map<number, LastHeader>();
  #chunkSize = 128;

  /** Payload bytes per chunk from the next message on; the caller has told the peer by message type 1. */
  set chunkSize(bytes: number) {
    this.#chunkSize = bytes;
  }

  /** The chunks of one message, in one buffer of their own. */
  marshal(message: RtmpMessage): Uint8Array {
    const { payload, csid } = message;
    const last = this.#last.get(csid);
    const fmt = formatOf(message, last);
    const timestampMs = message.timestampMs >>> 0;
    const field = fmt === 0 || last === undefined ? timestampMs : timestampMs - last.timestampMs;
    const isExtended = field >= EXTENDED;
    const basicBytes = csid < 64 ? 1 : csid < 320 ? 2 : 3;
    const extendedBytes = isExtended ? 4 : 0;
    const chunks = Math.max(1, Math.ceil(payload.length / this.#chunkSize));
    const headerBytes = fmt === 0 ? 11 : fmt === 1 ? 7 : 3;
    const out = Buffer.allocUnsafe(chunks * (basicBytes + extendedBytes) + headerBytes + payload.length);

    let at = writeBasicHeader(out, 0, fmt, csid);
    out.writeUIntBE(isExtended ? EXTENDED : field, at, 3);
    if (fmt < 2) {
      out.writeUIntBE(payload.length, at + 3, 3);
      out[at + 6] = message.typeId;
    }
    if (fmt === 0) out.writeUInt32LE(message.streamId, at + 7);
    at += headerBytes;
    if (isExtended) at = out.writeUInt32BE(field, at);

    for (let start = 0; ; start += this.#chunkSize) {
      const end = Math.min(start + this.#chunkSize, payload.length);
      out.set(payload.subarray(start, end), at);
      at += end - start;
      if (end === payload.length) break;
      at = writeBasicHeader(out, at, 3, csid);
      if (isExtended) at = out.writeUInt32BE(field, at);
    }

    this.#last.set(csid, {
      timestampMs,
      length: payload.length,
      typeId: message.typeId,
      streamId: message.streamId,
      deltaMs: field,
    });
    return out;
  }
}

const formatOf = (message: RtmpMessage, last: LastHeader | undefined): 0 | 1 | 2 => {
  if (last === undefined || last.streamId !== message.streamId) return 0;
  const deltaMs = message.timestampMs - last.timestampMs;
  // A delta cannot go back, and an extended one is read in two ways (isAbsoluteExtendedTimestamp).
  if (deltaMs < 0 || deltaMs >= EXTENDED) return 0;
  return last.length === message.payload.length && last.typeId === message.typeId ? 2 : 1;
};

const writeBasicHeader = (out: Buffer, at: number, fmt: number, csid: number): number => {
  if (csid < 64) {
    out[at] = (fmt << 6) | csid;
    return at + 1;
  }
  if (csid < 320) {
    out[at] = fmt << 6;
    out[at + 1] = csid - 64;
    return at + 2;
  }
  out[at] = (fmt << 6) | 1;
  return out.writeUInt16LE(csid - 64, at + 1);
};
