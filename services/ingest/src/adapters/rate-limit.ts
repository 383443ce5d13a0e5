/** Measures the rate of a connection over windows of five seconds. */
export class RateLimit {
  readonly #maxBytes: number;
  #startMs: number;
  #bytes = 0;

  constructor(maxBitsPerSecond: number, nowMs: number) {
    this.#maxBytes = (maxBitsPerSecond / 8) * (WINDOW_MS / 1000);
    this.#startMs = nowMs;
  }

  /** Takes what came; false when it was more than a window may hold. */
  take(bytes: number, nowMs: number): boolean {
    if (nowMs - this.#startMs >= WINDOW_MS || nowMs < this.#startMs) {
      this.#startMs = nowMs;
      this.#bytes = 0;
    }
    this.#bytes += bytes;
    return this.#bytes <= this.#maxBytes;
  }
}

const WINDOW_MS = 5000;
