import { MessageType, type RtmpMessage } from '../message-type.ts';
import { RtmpError } from '../rtmp-error.ts';
import { type ChunkLimits, DEFAULT_CHUNK_LIMITS, messageCapOf } from './chunk-limits.ts';
import { ChunkStream } from './chunk-stream.ts';
import { isAbsoluteExtendedTimestamp, matchExtendedTimestamp } from './extended-timestamp.ts';
import { PartialMessages } from './partial-messages.ts';

const EXTENDED = 0xffffff;
/** Basic header of 3, message header of 11, extended timestamp of 4 bytes. */
const LONGEST_HEADER_BYTES = 18;
/** Bytes of the message header per fmt (R1 5.3.1.2). */
const MESSAGE_HEADER_BYTES = [11, 7, 3, 0] as const;
/** A slice may keep alive an input at most this many times its own size. */
const SLICE_AMPLIFICATION = 4;

/** Takes a message; `false` stops the reader behind it. */
export type MessageSink = (message: RtmpMessage) => boolean;

/**
 * Turns the bytes of one direction of a connection into messages (R1 5.3).
 *
 * Chunk size (type 1) and abort (type 2) act here, at once, and do not reach the sink. The payload of a message belongs
 * to whoever takes it: it is a buffer of its own, or, with `inputIsTransferred`, sometimes a slice of the input.
 * Throws `RtmpError`; the instance is dead then.
 */
export class ChunkReader {
  readonly #limits: ChunkLimits;
  readonly #inputIsTransferred: boolean;
  /** Chunk streams 0..63, which is all that most encoders use. */
  readonly #near: (ChunkStream | undefined)[] = Array.from({ length: 64 }, () => undefined);
  readonly #far = new Map<number, ChunkStream>();
  #streamCount = 0;
  readonly #partial: PartialMessages;
  #chunkSize = 128;
  #mediaCapBytes: number;

  /** The chunk being read: its stream and how many payload bytes of it are to come. */
  #current: ChunkStream | undefined;
  #chunkLeft = 0;
  /** A header that the input ended in. */
  readonly #carry = new Uint8Array(LONGEST_HEADER_BYTES);
  #carryLength = 0;
  /** Offset of the current input in the connection. */
  #offset = 0;

  constructor(
    options: {
      readonly limits?: ChunkLimits;
      /** The caller never touches an input again, so payloads may be slices of it. */
      readonly inputIsTransferred?: boolean;
      /** Where the first byte lies in the connection. */
      readonly offset?: number;
    } = {},
  ) {
    this.#limits = options.limits ?? DEFAULT_CHUNK_LIMITS;
    this.#partial = new PartialMessages(this.#limits);
    this.#inputIsTransferred = options.inputIsTransferred ?? false;
    this.#offset = options.offset ?? 0;
    this.#mediaCapBytes = this.#limits.maxMediaBytes;
  }

  /** Bytes of memory that unfinished messages hold. */
  get partialBytes(): number {
    return this.#partial.bytes;
  }

  /** Chunk size the peer sends with. */
  get chunkSize(): number {
    return this.#chunkSize;
  }

  /** Caps audio, video, data and aggregate messages below the limits, as long as a peer is not trusted yet. */
  set mediaCapBytes(bytes: number) {
    this.#mediaCapBytes = Math.min(bytes, this.#limits.maxMediaBytes);
  }

  /**
   * Reads `input` and hands each finished message to `sink`.
   *
   * Returns how many bytes were read: all of them, unless the sink stopped the reader.
   */
  push(input: Uint8Array, sink: MessageSink): number {
    const carried = this.#carryLength;
    if (carried === 0) return this.#read(input, sink);
    // One input in about a hundred ends in a header, so joining the two costs little.
    const joined = Buffer.allocUnsafe(carried + input.length);
    joined.set(this.#carry.subarray(0, carried));
    joined.set(input, carried);
    this.#carryLength = 0;
    this.#offset -= carried;
    const read = this.#read(joined, sink);
    if (read >= carried) return read - carried;
    // Stopped inside what was carried: bytes that looked like an extended timestamp until the next one came.
    this.#keepHeader(joined.subarray(0, carried), read);
    return 0;
  }

  #read(input: Uint8Array, sink: MessageSink): number {
    const end = input.length;
    let pos = 0;
    while (pos < end) {
      if (this.#chunkLeft === 0) {
        const read = this.#readHeader(input, pos, end);
        if (read < 0) {
          this.#keepHeader(input, pos);
          return end;
        }
        pos += read;
      }
      const stream = this.#current;
      if (stream === undefined)
        throw new RtmpError('CHUNK_WITHOUT_HEADER', this.#offset + pos, 'no current chunk');
      const isWhole = stream.received === 0 && stream.length === this.#chunkLeft;
      if (isWhole && end - pos >= stream.length) {
        this.#partial.checkRoom(stream.length, this.#offset + pos);
        const payload = this.#take(input, pos, pos + stream.length);
        pos += stream.length;
        this.#chunkLeft = 0;
        if (!this.#finish(stream, payload, pos, sink)) break;
        continue;
      }
      const bytes = Math.min(this.#chunkLeft, end - pos);
      if (bytes === 0) continue;
      this.#partial.append(stream, input, pos, bytes, this.#offset + pos);
      pos += bytes;
      this.#chunkLeft -= bytes;
      if (stream.received === stream.length && stream.buffer !== undefined) {
        if (!this.#finish(stream, stream.buffer, pos, sink)) break;
      }
    }
    this.#offset += pos;
    return pos;
  }

  /** Reads one header at `pos`; returns its length, or -1 when the input ends in it. */
  #readHeader(bytes: Uint8Array, pos: number, end: number): number {
    const first = bytes[pos] ?? 0;
    const fmt = first >> 6;
    let csid = first & 63;
    let at = pos + 1;
    if (csid === 0) {
      if (end - pos < 2) return -1;
      csid = 64 + (bytes[pos + 1] ?? 0);
      at = pos + 2;
    } else if (csid === 1) {
      if (end - pos < 3) return -1;
      // Little-endian, unlike everything else (R1 5.3.1.1).
      csid = 64 + (bytes[pos + 1] ?? 0) + ((bytes[pos + 2] ?? 0) << 8);
      at = pos + 3;
    }
    const known = csid < 64 ? this.#near[csid] : this.#far.get(csid);
    if (fmt === 3) {
      if (known === undefined) {
        throw new RtmpError(
          'CHUNK_WITHOUT_HEADER',
          this.#offset + pos,
          `fmt 3 on unused chunk stream ${csid}`,
        );
      }
      return this.#readType3(known, bytes, pos, at, end);
    }
    const headerBytes = MESSAGE_HEADER_BYTES[fmt] ?? 0;
    if (end - at < headerBytes) return -1;
    let field = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    const isExtended = field === EXTENDED;
    const headerEnd = at + headerBytes + (isExtended ? 4 : 0);
    if (headerEnd > end) return -1;
    if (isExtended) field = readUint32(bytes, at + headerBytes);
    const stream = known ?? this.#open(csid, fmt, pos);

    if (fmt < 2) {
      const length = ((bytes[at + 3] ?? 0) << 16) | ((bytes[at + 4] ?? 0) << 8) | (bytes[at + 5] ?? 0);
      const typeId = bytes[at + 6] ?? 0;
      if (stream.isInMessage) {
        if (fmt === 0) {
          throw new RtmpError(
            'CHUNK_INSIDE_MESSAGE',
            this.#offset + pos,
            `fmt 0 inside a message on ${csid}`,
          );
        }
        if (length !== stream.length || typeId !== stream.typeId) {
          throw new RtmpError(
            'MESSAGE_LENGTH_CHANGED',
            this.#offset + pos,
            `length ${length}, type ${typeId} inside a message of length ${stream.length}, type ${stream.typeId}`,
          );
        }
      }
      stream.length = length;
      stream.typeId = typeId;
      if (fmt === 0) {
        // Little-endian (R1 5.3.1.2.1).
        stream.streamId =
          ((bytes[at + 7] ?? 0) |
            ((bytes[at + 8] ?? 0) << 8) |
            ((bytes[at + 9] ?? 0) << 16) |
            ((bytes[at + 10] ?? 0) << 24)) >>>
          0;
      }
    }
    stream.hasExtended = isExtended;
    stream.extendedField = field;
    // fmt 1 or 2 inside a message continues it; its time is that of the first chunk.
    if (!stream.isInMessage) {
      if (fmt === 0) {
        stream.timestampMs = field;
        stream.deltaMs = field;
      } else if (isExtended && isAbsoluteExtendedTimestamp(field, stream.timestampMs)) {
        stream.deltaMs = (field - stream.timestampMs) >>> 0;
        stream.timestampMs = field;
      } else {
        stream.deltaMs = field;
        stream.timestampMs = (stream.timestampMs + field) >>> 0;
      }
      this.#begin(stream, pos);
    }
    this.#startChunk(stream);
    return headerEnd - pos;
  }

  #readType3(stream: ChunkStream, bytes: Uint8Array, pos: number, at: number, end: number): number {
    let headerEnd = at;
    const timestampMs = stream.isInMessage ? stream.timestampMs : (stream.timestampMs + stream.deltaMs) >>> 0;
    if (stream.hasExtended) {
      const matched = matchExtendedTimestamp(bytes, at, end, stream.extendedField, timestampMs);
      if (matched < 0) return -1;
      headerEnd = at + matched;
    }
    if (!stream.isInMessage) {
      stream.timestampMs = timestampMs;
      this.#begin(stream, pos);
    }
    this.#startChunk(stream);
    return headerEnd - pos;
  }

  #open(csid: number, fmt: number, pos: number): ChunkStream {
    if (fmt === 2) {
      throw new RtmpError('CHUNK_WITHOUT_HEADER', this.#offset + pos, `fmt 2 on unused chunk stream ${csid}`);
    }
    if (this.#streamCount >= this.#limits.maxChunkStreams) {
      throw new RtmpError(
        'TOO_MANY_CHUNK_STREAMS',
        this.#offset + pos,
        `more than ${this.#limits.maxChunkStreams} chunk streams`,
      );
    }
    const stream = new ChunkStream(csid);
    this.#streamCount += 1;
    if (csid < 64) this.#near[csid] = stream;
    else this.#far.set(csid, stream);
    return stream;
  }

  #begin(stream: ChunkStream, pos: number): void {
    const cap = messageCapOf(stream.typeId, this.#limits, this.#mediaCapBytes);
    if (stream.length > cap) {
      throw new RtmpError(
        'MESSAGE_TOO_LARGE',
        this.#offset + pos,
        `message of type ${stream.typeId} has ${stream.length} bytes, at most ${cap} are taken`,
      );
    }
    this.#partial.begin(stream, this.#offset + pos);
  }

  #startChunk(stream: ChunkStream): void {
    this.#current = stream;
    this.#chunkLeft = Math.min(this.#chunkSize, stream.length - stream.received);
  }

  /** Keeps a header that the input ends in; `#offset` moves past it. */
  #keepHeader(input: Uint8Array, pos: number): void {
    this.#carry.set(input.subarray(pos));
    this.#carryLength = input.length - pos;
    this.#offset += input.length;
  }

  #take(input: Uint8Array, start: number, end: number): Uint8Array {
    if (this.#inputIsTransferred && (end - start) * SLICE_AMPLIFICATION >= input.length) {
      return input.subarray(start, end);
    }
    const payload = Buffer.allocUnsafe(end - start);
    payload.set(input.subarray(start, end));
    return payload;
  }

  /** Acts on a whole message; returns whether to read on. `pos` is the byte behind it. */
  #finish(stream: ChunkStream, payload: Uint8Array, pos: number, sink: MessageSink): boolean {
    this.#partial.end(stream);
    const { typeId } = stream;
    if (typeId === MessageType.setChunkSize) this.#setChunkSize(payload, pos);
    else if (typeId === MessageType.abort) this.#abort(payload, pos);
    else {
      const { csid, streamId, timestampMs } = stream;
      return sink({ typeId, csid, streamId, timestampMs, payload });
    }
    return true;
  }

  #setChunkSize(payload: Uint8Array, pos: number): void {
    const size = payload.length < 4 ? 0 : readUint32(payload, 0);
    if (size === 0 || size > 0x7fffffff) {
      throw new RtmpError(
        'CHUNK_SIZE_INVALID',
        this.#offset + pos,
        `chunk size ${size}, allowed 1..2147483647`,
      );
    }
    this.#chunkSize = Math.min(size, this.#limits.maxMediaBytes);
  }

  #abort(payload: Uint8Array, pos: number): void {
    if (payload.length < 4)
      throw new RtmpError('CONTROL_MALFORMED', this.#offset + pos, 'abort without a chunk stream');
    const csid = readUint32(payload, 0);
    const stream = csid < 64 ? this.#near[csid] : this.#far.get(csid);
    if (stream !== undefined) this.#partial.end(stream);
  }
}

const readUint32 = (bytes: Uint8Array, at: number): number =>
  (((bytes[at] ?? 0) << 24) |
    ((bytes[at + 1] ?? 0) << 16) |
    ((bytes[at + 2] ?? 0) << 8) |
    (bytes[at + 3] ?? 0)) >>>
  0;
