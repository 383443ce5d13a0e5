const WINDOW_MS = 30_000;
const BUCKET_MS = 250;

/**
 * Lower envelope over 30 s of (arrival - pts): the offset from media time to UTC of the access units that were least delayed.
 *
 * Holds at most one sample for each quarter of a second.
 */
export class UtcOffsetEstimator {
  /** Rising offsets at rising arrivals: the first is the envelope. */
  readonly #samples: { readonly arrivalMs: number; readonly offsetMs: number }[] = [];

  /** Takes one access unit. */
  add(arrivalMs: number, ptsMs: number): void {
    const offsetMs = arrivalMs - ptsMs;
    const samples = this.#samples;
    const last = samples.at(-1);
    if (last !== undefined) {
      const isSameBucket = Math.floor(last.arrivalMs / BUCKET_MS) === Math.floor(arrivalMs / BUCKET_MS);
      if (isSameBucket && offsetMs >= last.offsetMs) return;
      // The wall clock was set back: what was measured by the old one says nothing now.
      if (arrivalMs < last.arrivalMs - BUCKET_MS) samples.length = 0;
    }
    while ((samples.at(-1)?.offsetMs ?? -Infinity) >= offsetMs) samples.pop();
    samples.push({ arrivalMs, offsetMs });
    while ((samples[0]?.arrivalMs ?? Infinity) < arrivalMs - WINDOW_MS) samples.shift();
  }

  /** The envelope in ms. */
  get offsetMs(): number {
    return this.#samples[0]?.offsetMs ?? 0;
  }
}
