import { asBuffer } from '../byte-reader.ts';
import { ParseError } from '../parse-error.ts';
import { PendingBytes } from '../pending-bytes.ts';
import { parseFragment } from './fragment-parser.ts';
import { parseInitSegment } from './init-parser.ts';
import type { InitTrack, TrackFragment } from './track.ts';

/** What the fragmented MP4 of one track is made of. */
export type FragmentEvent =
  /** `ftyp` + `moov`. */
  | { readonly kind: 'init'; readonly bytes: Buffer; readonly track: InitTrack }
  /** `moof` + `mdat`, with a `styp` or `prft` in front when there is one. */
  | { readonly kind: 'fragment'; readonly bytes: Buffer; readonly fragment: TrackFragment };

const DEFAULT_MAX_BYTES = 32 * 1024 * 1024;
/** Boxes that stay with the `moov` or `moof` behind them; all others between units are dropped. */
const UNIT_BOXES = new Set(['ftyp', 'styp', 'prft', 'moov', 'moof', 'mdat']);

/**
 * Reads the fragmented MP4 of one track as it arrives, for example from a pipe of ffmpeg.
 *
 * What lies in one chunk is not copied: events are slices of what was pushed. Of an incomplete unit at most `maxBytes`
 * (default 32 MiB) are kept; memory grows with what arrived, not with what was announced. After a `ParseError` the reader
 * is dead.
 */
export class FragmentReader {
  readonly #maxBytes: number;
  /** Begins with the unit that is not complete yet. */
  readonly #pending = new PendingBytes();
  /** Offset of the box in the unit that is not complete yet. */
  #boxAt = 0;
  /** Unit bytes that must be there before it is worth looking again. */
  #wanted = 8;

  constructor(options: { readonly maxBytes?: number } = {}) {
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  }

  /** Takes the next bytes and returns what they complete. The bytes must not change afterwards. Throws `ParseError`. */
  push(chunk: Uint8Array): FragmentEvent[] {
    const events: FragmentEvent[] = [];
    this.#pending.append(asBuffer(chunk), this.#wanted);
    while (this.#pending.length >= this.#wanted) this.#readBox(this.#pending.bytes, events);
    return events;
  }

  /** Looks at the box at `#boxAt`, whose header is there. */
  #readBox(pending: Buffer, events: FragmentEvent[]): void {
    const start = this.#boxAt;
    let size = pending.readUInt32BE(start);
    const headerBytes = size === 1 ? 16 : 8;
    if (size === 1) {
      if (pending.length < start + 16) {
        this.#wanted = start + 16;
        return;
      }
      size = Number(pending.readBigUInt64BE(start + 8));
    }
    if (size < headerBytes) throw new ParseError('invalid', start, `a box of ${size} bytes`);
    const end = start + size;
    if (end > this.#maxBytes)
      throw new ParseError('too-large', start, `a unit of ${end} bytes, at most ${this.#maxBytes}`);
    if (pending.length < end) {
      this.#wanted = end;
      return;
    }
    const type = pending.toString('latin1', start + 4, start + 8);
    if (type === 'moov') {
      const bytes = pending.subarray(0, end);
      events.push({ kind: 'init', bytes, track: parseInitSegment(bytes) });
      this.#consume(end);
    } else if (type === 'mdat') {
      const bytes = pending.subarray(0, end);
      events.push({ kind: 'fragment', bytes, fragment: parseFragment(bytes) });
      this.#consume(end);
    } else if (start === 0 && !UNIT_BOXES.has(type)) {
      this.#consume(end);
    } else {
      this.#boxAt = end;
      this.#wanted = end + 8;
    }
  }

  #consume(count: number): void {
    this.#pending.consume(count);
    this.#boxAt = 0;
    this.#wanted = 8;
  }
}
