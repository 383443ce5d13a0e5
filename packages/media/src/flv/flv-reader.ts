import { asBuffer } from '../byte-reader.ts';
import { ParseError } from '../parse-error.ts';
import { PendingBytes } from '../pending-bytes.ts';

/** A tag of an FLV file; `body` is what an RTMP message of that type carries. */
export interface FlvTag {
  readonly type: 'audio' | 'video' | 'script';
  /** 32 bits, in ms. */
  readonly timestampMs: number;
  readonly body: Uint8Array;
}

const TAG_TYPES: Readonly<Record<number, FlvTag['type']>> = { 8: 'audio', 9: 'video', 18: 'script' };
const HEADER_BYTES = 9;
const MAX_HEADER_BYTES = 1024;
const TAG_HEADER_BYTES = 11;
const BACK_POINTER_BYTES = 4;
const DEFAULT_MAX_TAG_BYTES = 16 * 1024 * 1024;

/**
 * Reads an FLV file (FLV 10.1 Annex E) as it arrives.
 *
 * Keeps at most one incomplete tag, with a body of `maxTagBytes` (default 16 MiB). Back pointers are skipped, since many
 * files have wrong ones. After a `ParseError` the reader is dead.
 */
export class FlvReader {
  readonly #maxTagBytes: number;
  readonly #pending = new PendingBytes();
  /** Bytes that must be there before it is worth looking again. */
  #wanted = HEADER_BYTES;
  #isHeaderRead = false;

  constructor(options: { readonly maxTagBytes?: number } = {}) {
    this.#maxTagBytes = options.maxTagBytes ?? DEFAULT_MAX_TAG_BYTES;
  }

  /** Takes the next bytes and returns the tags they complete, as slices. The bytes must not change afterwards. */
  push(chunk: Uint8Array): FlvTag[] {
    const tags: FlvTag[] = [];
    this.#pending.append(asBuffer(chunk), this.#wanted);
    while (this.#pending.length >= this.#wanted) {
      const { bytes } = this.#pending;
      this.#pending.consume(this.#isHeaderRead ? this.#readTag(bytes, tags) : this.#readHeader(bytes));
    }
    return tags;
  }

  /** Returns how many bytes it is done with; 0 after it has raised `#wanted`. */
  #readHeader(bytes: Buffer): number {
    if (bytes.toString('latin1', 0, 3) !== 'FLV') throw new ParseError('invalid', 0, 'no FLV signature');
    const size = bytes.readUInt32BE(5);
    if (size < HEADER_BYTES || size > MAX_HEADER_BYTES)
      throw new ParseError('invalid', 5, `an FLV header of ${size} bytes`);
    const end = size + BACK_POINTER_BYTES;
    if (bytes.length < end) {
      this.#wanted = end;
      return 0;
    }
    this.#isHeaderRead = true;
    this.#wanted = TAG_HEADER_BYTES;
    return end;
  }

  #readTag(bytes: Buffer, tags: FlvTag[]): number {
    const size = bytes.readUIntBE(1, 3);
    if (size > this.#maxTagBytes)
      throw new ParseError('too-large', 1, `a tag of ${size} bytes, at most ${this.#maxTagBytes}`);
    const type = TAG_TYPES[bytes.readUInt8(0)];
    if (type === undefined) throw new ParseError('unsupported', 0, `tag type ${bytes.readUInt8(0)}`);
    const end = TAG_HEADER_BYTES + size + BACK_POINTER_BYTES;
    if (bytes.length < end) {
      this.#wanted = end;
      return 0;
    }
    // The upper 8 bits come last.
    const timestampMs = bytes.readUInt8(7) * 0x100_0000 + bytes.readUIntBE(4, 3);
    tags.push({ type, timestampMs, body: bytes.subarray(TAG_HEADER_BYTES, TAG_HEADER_BYTES + size) });
    this.#wanted = TAG_HEADER_BYTES;
    return end;
  }
}
