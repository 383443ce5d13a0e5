/** Bytes of media that may be held: by everything, and by each session. */
export interface MemoryLimits {
  readonly maxTotalBytes: number;
  readonly maxSessionBytes: number;
}

/** What the sessions hold together, so that one cannot take what all need. */
export class MemoryBudget {
  readonly #limits: MemoryLimits;
  readonly #letGo: () => void;
  #totalBytes = 0;

  /** `letGo` is called when a limit would be passed, to give back what nobody may ask for any more. */
  constructor(limits: MemoryLimits, letGo: () => void) {
    this.#limits = limits;
    this.#letGo = letGo;
  }

  /** Bytes held by all sessions. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** Opens the account of a session. */
  openAccount(): MemoryAccount {
    return new MemoryAccount(this.#limits.maxSessionBytes, (bytes) => this.#take(bytes), this.#letGo);
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
  readonly #letGo: () => void;
  #bytes = 0;

  constructor(maxBytes: number, takeFromTotal: (bytes: number) => boolean, letGo: () => void) {
    this.#maxBytes = maxBytes;
    this.#takeFromTotal = takeFromTotal;
    this.#letGo = letGo;
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes bytes; false, and nothing taken, when either limit would be passed whatever may be let go first. */
  take(bytes: number): boolean {
    if (this.#tryTake(bytes)) return true;
    this.#letGo();
    return this.#tryTake(bytes);
  }

  #tryTake(bytes: number): boolean {
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
