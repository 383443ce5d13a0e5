/** Limits an amount over windows of fixed length; each begins with what comes first after the one before. */
export class RateLimit {
  readonly #most: number;
  readonly #windowMs: number;
  #startMs: number;
  #taken = 0;

  /** `most` may come within `windowMs`. */
  constructor(most: number, windowMs: number, nowMs: number) {
    this.#most = most;
    this.#windowMs = windowMs;
    this.#startMs = nowMs;
  }

  /** Takes what came; false when it was more than a window may hold. */
  take(amount: number, nowMs: number): boolean {
    if (nowMs - this.#startMs >= this.#windowMs || nowMs < this.#startMs) {
      this.#startMs = nowMs;
      this.#taken = 0;
    }
    this.#taken += amount;
    return this.#taken <= this.#most;
  }
}
