/** Writes bits, most significant first. */
export class BitWriter {
  readonly #bytes: number[] = [];
  #bitCount = 0;

  /** Appends the low `count` bits of an unsigned value, up to 32. */
  bits(value: number, count: number): this {
    for (let left = count - 1; left >= 0; left -= 1) {
      const bit = Math.floor(value / 2 ** left) & 1;
      if ((this.#bitCount & 7) === 0) this.#bytes.push(0);
      const last = this.#bytes.length - 1;
      this.#bytes[last] = (this.#bytes[last] ?? 0) | (bit << (7 - (this.#bitCount & 7)));
      this.#bitCount += 1;
    }
    return this;
  }

  flag(value: boolean): this {
    return this.bits(value ? 1 : 0, 1);
  }

  /** What was written, the last byte filled with zeros. */
  toBytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}
