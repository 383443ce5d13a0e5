/** How far from a wrap a timestamp may lie to be taken for one. */
const WRAP_WINDOW_MS = 60_000;

/**
 * Where wire clocks wrap: FLV writers at 2^31 ms, the specification at 2^32, and at 2^24 those that forget the extended
 * timestamp.
 */
const WRAPS_MS: readonly number[] = [2 ** 31, 2 ** 32, 2 ** 24];

/**
 * Turns the 32-bit timestamps of one publication into times that do not wrap.
 *
 * Each track goes on from its own last timestamp; a track's first is read relative to the other track, so that audio at 0 and
 * video at 2147483568 (ffmpeg's negative decode times) are 80 ms apart, not 24 days.
 */
export class TimestampUnwrapper {
  readonly #last = new Map<string, { wire: number; unwrapped: number }>();

  /** The time in ms; the first of a publication is what the wire said. */
  unwrap(track: string, timestampMs: number): number {
    const reference = this.#last.get(track) ?? this.#last.values().next().value;
    const unwrapped =
      reference === undefined ? timestampMs : reference.unwrapped + withoutWrap(timestampMs - reference.wire);
    this.#last.set(track, { wire: timestampMs, unwrapped });
    return unwrapped;
  }
}

function withoutWrap(stepMs: number): number {
  let best = stepMs;
  for (const wrap of WRAPS_MS) {
    const step = stepMs < 0 ? stepMs + wrap : stepMs - wrap;
    if (Math.abs(step) <= WRAP_WINDOW_MS && Math.abs(step) < Math.abs(best)) best = step;
  }
  return best;
}
