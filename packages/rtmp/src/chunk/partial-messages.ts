import { RtmpError } from '../rtmp-error.ts';
import type { ChunkLimits } from './chunk-limits.ts';
import type { ChunkStream } from './chunk-stream.ts';

/** Memory a message may take before its bytes arrive; it then doubles as they come. */
const FIRST_BUFFER_BYTES = 16 * 1024;

/**
 * The messages of one connection that are arriving, and the memory they hold.
 *
 * What is refused depends on the bytes alone, not on how they were cut: a message counts from its header on, and one that
 * needs no buffer since it came whole is measured as if it had one.
 */
export class PartialMessages {
  readonly #limits: ChunkLimits;
  #count = 0;
  #bytes = 0;

  constructor(limits: ChunkLimits) {
    this.#limits = limits;
  }

  /** Memory held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A header began a message. Throws `TOO_MANY_PARTIAL_MESSAGES`. */
  begin(stream: ChunkStream, offset: number): void {
    if (this.#count >= this.#limits.maxPartialMessages) {
      throw new RtmpError(
        'TOO_MANY_PARTIAL_MESSAGES',
        offset,
        `more than ${this.#limits.maxPartialMessages} unfinished messages`,
      );
    }
    this.#count += 1;
    stream.isInMessage = true;
    stream.received = 0;
  }

  /** Copies bytes of the input to the message. Throws `PARTIAL_BYTES_EXCEEDED`. */
  append(stream: ChunkStream, input: Uint8Array, pos: number, bytes: number, offset: number): void {
    const needed = stream.received + bytes;
    let buffer = stream.buffer;
    if (buffer === undefined || needed > buffer.length) buffer = this.#grow(stream, needed, offset);
    buffer.set(input.subarray(pos, pos + bytes), stream.received);
    stream.received = needed;
  }

  /** Whether there is room for `bytes` more. Throws `PARTIAL_BYTES_EXCEEDED`. */
  checkRoom(bytes: number, offset: number): void {
    if (this.#bytes + bytes > this.#limits.maxPartialBytes) {
      throw new RtmpError(
        'PARTIAL_BYTES_EXCEEDED',
        offset,
        `unfinished messages would hold more than ${this.#limits.maxPartialBytes} bytes`,
      );
    }
  }

  /** The message is complete, or dropped; its buffer is no longer ours. */
  end(stream: ChunkStream): void {
    if (!stream.isInMessage) return;
    this.#bytes -= stream.buffer?.length ?? 0;
    this.#count -= 1;
    stream.buffer = undefined;
    stream.isInMessage = false;
    stream.received = 0;
  }

  #grow(stream: ChunkStream, needed: number, offset: number): Uint8Array {
    const old = stream.buffer;
    let size = old?.length ?? FIRST_BUFFER_BYTES;
    while (size < needed) size *= 2;
    size = Math.min(size, stream.length);
    const added = size - (old?.length ?? 0);
    this.checkRoom(added, offset);
    const grown = Buffer.allocUnsafe(size);
    if (old !== undefined) grown.set(old.subarray(0, stream.received));
    stream.buffer = grown;
    this.#bytes += added;
    return grown;
  }
}
