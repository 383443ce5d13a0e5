import { ParseError } from '../parse-error.ts';

/** Reads bits, most significant first; past the end it throws `ParseError('truncated')`. */
export class BitReader {
  readonly #bytes: Uint8Array;
  /** In bits. */
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get remainingBits(): number {
    return this.#bytes.length * 8 - this.#at;
  }

  get byteOffset(): number {
    return this.#at >> 3;
  }

  bit(): number {
    const byte = this.#bytes[this.#at >> 3];
    if (byte === undefined) throw new ParseError('truncated', this.#bytes.length, 'more bits wanted');
    const value = (byte >> (7 - (this.#at & 7))) & 1;
    this.#at += 1;
    return value;
  }

  flag(): boolean {
    return this.bit() === 1;
  }

  /** Up to 32 bits, unsigned. */
  bits(count: number): number {
    if (count > this.remainingBits)
      throw new ParseError('truncated', this.byteOffset, `${count} bits wanted`);
    let value = 0;
    for (let left = count; left > 0;) {
      const free = 8 - (this.#at & 7);
      const taken = Math.min(free, left);
      const chunk = ((this.#bytes[this.#at >> 3] ?? 0) >> (free - taken)) & ((1 << taken) - 1);
      value = value * 2 ** taken + chunk;
      this.#at += taken;
      left -= taken;
    }
    return value;
  }

  skip(count: number): void {
    if (count > this.remainingBits)
      throw new ParseError('truncated', this.byteOffset, `${count} bits wanted`);
    this.#at += count;
  }

  alignToByte(): void {
    this.#at = (this.#at + 7) & ~7;
  }

  /** ue(v), H.264 9.1: unsigned Exp-Golomb, at most 2^32 - 2. */
  ue(): number {
    let zeros = 0;
    while (this.bit() === 0) {
      zeros += 1;
      if (zeros > 31)
        throw new ParseError('invalid', this.byteOffset, 'an Exp-Golomb code longer than 32 bits');
    }
    return 2 ** zeros - 1 + this.bits(zeros);
  }

  /** ue(v) with a limit; a larger value is `invalid` and named in the message. */
  ueAtMost(limit: number, name: string): number {
    const value = this.ue();
    if (value > limit)
      throw new ParseError('invalid', this.byteOffset, `${name} is ${value}, at most ${limit} allowed`);
    return value;
  }

  /** se(v), H.264 9.1.1: signed Exp-Golomb. */
  se(): number {
    const code = this.ue();
    return code % 2 === 1 ? (code + 1) / 2 : -(code / 2);
  }
}
