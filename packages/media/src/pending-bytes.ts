/**
 * What has arrived of a unit that is not complete yet.
 *
 * A chunk that comes while nothing waits is taken as it is; only what a chunk's end cut is copied. Memory grows with what
 * arrived, not with what was announced. Slices of `bytes` stay valid: memory that was handed out is never written again.
 */
export class PendingBytes {
  #memory: Buffer = Buffer.alloc(0);
  #length = 0;
  #isOwned = false;

  /** All that waits. */
  get bytes(): Buffer {
    return this.#memory.subarray(0, this.#length);
  }

  get length(): number {
    return this.#length;
  }

  /** Puts a chunk behind what waits; `wantedBytes` is how long the unit is expected to be. */
  append(chunk: Buffer, wantedBytes: number): void {
    if (this.#length === 0) {
      this.#memory = chunk;
      this.#length = chunk.length;
      this.#isOwned = false;
      return;
    }
    const total = this.#length + chunk.length;
    if (!this.#isOwned || total > this.#memory.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(total, Math.min(wantedBytes, this.#length * 2)));
      this.#memory.copy(grown, 0, 0, this.#length);
      this.#memory = grown;
      this.#isOwned = true;
    }
    chunk.copy(this.#memory, this.#length);
    this.#length = total;
  }

  /** Takes bytes off the front. */
  consume(count: number): void {
    this.#memory = this.#memory.subarray(count, this.#length);
    this.#length -= count;
    this.#isOwned = false;
  }
}
