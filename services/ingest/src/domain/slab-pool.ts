/** Media is kept in pieces of this size. */
export const SLAB_BYTES = 128 * 1024;

/**
 * Memory for recent media, used again and again.
 *
 * A buffer for each access unit would be thousands for each session: V8 counts them as external memory and collects garbage
 * several times a second because of it. Pieces that are given back are kept up to a bound, the rest is the collector's.
 */
export class SlabPool {
  readonly #maxFree: number;
  readonly #free: Buffer[] = [];

  constructor(maxFreeBytes: number) {
    this.#maxFree = Math.floor(maxFreeBytes / SLAB_BYTES);
  }

  get freeBytes(): number {
    return this.#free.length * SLAB_BYTES;
  }

  /** A piece of memory of at least `bytes`; larger than usual only when it has to be. */
  take(bytes: number): Buffer {
    if (bytes > SLAB_BYTES) return Buffer.allocUnsafeSlow(bytes);
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
  }

  /** Gives a piece back; nobody may look at it any more. */
  give(slab: Buffer): void {
    if (slab.length === SLAB_BYTES && this.#free.length < this.#maxFree) this.#free.push(slab);
  }
}
