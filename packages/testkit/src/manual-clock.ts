/** A wall clock that a test moves: `now` is a `Clock`. */
export class ManualClock {
  #nowMs: number;

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  /** The current time in ms since 1970, bound so that it can be handed in as a `Clock`. */
  readonly now = (): number => this.#nowMs;

  /** Moves the clock by `ms`, which may be negative: wall clocks do step back. */
  advance(ms: number): void {
    this.#nowMs += ms;
  }
}
