/** Bytes of media that may be held: by everything, and by each session. */
export interface MemoryLimits {
  readonly maxTotalBytes: number;
  readonly maxSessionBytes: number;
}

/** What the sessions hold together, so that one cannot take what all need. */
export class MemoryBudget {
  readonly #limits: MemoryLimits;
  #totalBytes = 0;

  constructor(limits: MemoryLimits) {
    this.#limits = limits;
  }

  /** Bytes held by all sessions. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** Opens the account of a session. */
  openAccount(): MemoryAccount {
    return new MemoryAccount(this.#limits.maxSessionBytes, (bytes) => this.#take(bytes));
  }

  #take(bytes: number): boolean {
    if (bytes > 0 && this.#totalBytes + bytes > this.#limits.maxTotalBytes) return false;
    this.#totalBytes += bytes;
    return true;
  }
}

/** What one session holds. */
export class MemoryAccount {
  readonly #maxBytes: number;
  readonly #takeFromTotal: (bytes: number) => boolean;
  #bytes = 0;

  constructor(maxBytes: number, takeFromTotal: (bytes: number) => boolean) {
    this.#maxBytes = maxBytes;
    this.#takeFromTotal = takeFromTotal;
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes bytes; false, and nothing taken, when either limit would be passed. */
  take(bytes: number): boolean {
    if (this.#bytes + bytes > this.#maxBytes || !this.#takeFromTotal(bytes)) return false;
    this.#bytes += bytes;
    return true;
  }

  /** Gives bytes back. */
  release(bytes: number): void {
    this.#takeFromTotal(-bytes);
    this.#bytes -= bytes;
  }
}
