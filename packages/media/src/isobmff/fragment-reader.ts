import { ParseError } from '../parse-error.ts';
import { parseFragment } from './fragment-parser.ts';
import { parseInitSegment } from './init-parser.ts';
import type { InitTrack } from './init-parser.ts';
import type { TrackFragment } from './track-sample.ts';

/** What a fragmented MP4 stream is made of. */
export type FragmentEvent =
  | { readonly kind: 'init'; readonly bytes: Buffer; readonly track: InitTrack }
  | { readonly kind: 'fragment'; readonly fragment: TrackFragment };

const DEFAULT_MAX_BYTES = 32 * 1024 * 1024;

/**
 * Reads the fragmented MP4 of one track as it arrives, for example from a pipe of ffmpeg.
 *
 * `ftyp` + `moov` give one `init`; each `moof` + `mdat` a `fragment`. Other boxes are skipped. Data that lies in one chunk is
 * not copied: the samples are slices of what was pushed. At most `maxBytes` are kept while a box is incomplete. After a
 * `ParseError` the reader is dead.
 */
export class FragmentReader {
  readonly #maxBytes: number;
  #pending: Buffer = Buffer.alloc(0);
  #pendingBytes = 0;
  /** Bytes that the unit at the front of `#pending` needs before anything can be said of it. */
  #neededBytes = 8;
  #ftyp: Buffer | undefined;
  #moof: Buffer | undefined;

  constructor(options: { readonly maxBytes?: number } = {}) {
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  }

  /** Takes the next bytes and returns what they complete. */
  push(chunk: Buffer): FragmentEvent[] {
    const events: FragmentEvent[] = [];
    let bytes = this.#join(chunk);
    if (bytes === undefined) return events;
    for (;;) {
      if (bytes.length < 8) return this.#keep(bytes, 8, events);
      const size = boxSize(bytes);
      if (size === undefined) return this.#keep(bytes, 16, events);
      const moofBytes: number = this.#moof?.length ?? 0;
      if (size + moofBytes > this.#maxBytes) throw new ParseError('too-large', 0, `a box of ${size} bytes`);
      if (bytes.length < size) return this.#keep(bytes, size, events);
      const event = this.#takeBox(bytes.subarray(0, size));
      if (event !== undefined) events.push(event);
      bytes = bytes.subarray(size);
    }
  }

  /** Puts the chunk behind what is pending; `undefined` while the front is still incomplete. */
  #join(chunk: Buffer): Buffer | undefined {
    if (this.#pendingBytes === 0) return chunk;
    const total = this.#pendingBytes + chunk.length;
    if (total > this.#pending.length) {
      const grown = Buffer.allocUnsafeSlow(
        Math.max(total, Math.min(this.#neededBytes, this.#pending.length * 2)),
      );
      this.#pending.copy(grown, 0, 0, this.#pendingBytes);
      this.#pending = grown;
    }
    chunk.copy(this.#pending, this.#pendingBytes);
    this.#pendingBytes = total;
    if (total < this.#neededBytes) return undefined;
    const joined = this.#pending.subarray(0, total);
    // Slices of it are handed out: the next rest gets a buffer of its own.
    this.#pending = Buffer.alloc(0);
    this.#pendingBytes = 0;
    return joined;
  }

  #keep(rest: Buffer, neededBytes: number, events: FragmentEvent[]): FragmentEvent[] {
    this.#neededBytes = neededBytes;
    this.#pending = rest;
    this.#pendingBytes = rest.length;
    return events;
  }

  #takeBox(box: Buffer): FragmentEvent | undefined {
    switch (box.toString('latin1', 4, 8)) {
      case 'ftyp':
        this.#ftyp = box;
        return undefined;
      case 'moov': {
        const bytes = Buffer.concat(this.#ftyp === undefined ? [box] : [this.#ftyp, box]);
        return { kind: 'init', bytes, track: parseInitSegment(bytes) };
      }
      case 'moof':
        this.#moof = box;
        return undefined;
      case 'mdat': {
        const moof = this.#moof;
        if (moof === undefined) throw new ParseError('invalid', 0, 'mdat without moof');
        this.#moof = undefined;
        return { kind: 'fragment', fragment: parseFragment(joined(moof, box)) };
      }
      default:
        return undefined;
    }
  }
}

/** Size of the box at the front; `undefined` when a 64-bit size is not there yet. */
function boxSize(bytes: Buffer): number | undefined {
  const size = bytes.readUInt32BE(0);
  if (size !== 1) {
    if (size < 8) throw new ParseError('invalid', 0, `box size ${size}`);
    return size;
  }
  if (bytes.length < 16) return undefined;
  const large = Number(bytes.readBigUInt64BE(8));
  if (large < 16) throw new ParseError('invalid', 0, `box size ${large}`);
  return large;
}

/** moof and mdat as one buffer: without a copy when they lie behind one another in memory. */
function joined(moof: Buffer, mdat: Buffer): Buffer {
  if (moof.buffer === mdat.buffer && moof.byteOffset + moof.length === mdat.byteOffset) {
    return Buffer.from(moof.buffer, moof.byteOffset, moof.length + mdat.length);
  }
  return Buffer.concat([moof, mdat]);
}
