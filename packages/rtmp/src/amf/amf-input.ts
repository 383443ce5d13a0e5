import { RtmpError } from '../rtmp-error.ts';

const utf8 = new TextDecoder();

/** A position in the payload of a message; every read checks that the bytes are there. */
export class AmfInput {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#at = at;
  }

  get offset(): number {
    return this.#at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** Byte `ahead` of the position, if there is one. */
  peek(ahead = 0): number | undefined {
    return this.#bytes[this.#at + ahead];
  }

  skip(length: number): void {
    this.#advance(length);
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4));
  }

  i32(): number {
    return this.#view.getInt32(this.#advance(4));
  }

  f64(): number {
    return this.#view.getFloat64(this.#advance(8));
  }

  /** A copy of the next bytes. */
  bytes(length: number): Uint8Array {
    const start = this.#advance(length);
    return new Uint8Array(this.#bytes.subarray(start, start + length));
  }

  /** Text; what is not UTF-8 in it becomes U+FFFD. */
  text(length: number): string {
    const start = this.#advance(length);
    return utf8.decode(this.#bytes.subarray(start, start + length));
  }

  #advance(length: number): number {
    const start = this.#at;
    if (length > this.#bytes.length - start) {
      throw new RtmpError(
        'AMF_TRUNCATED',
        start,
        `${length} bytes wanted, ${this.#bytes.length - start} left`,
      );
    }
    this.#at = start + length;
    return start;
  }
}
