const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5000;
/** Restarts in a row without one part of progress after which the position itself is given up. */
const MAX_FRUITLESS_RESTARTS = 3;

/** What the next restart is to do. */
export interface RestartTerms {
  readonly delayMs: number;
  /** True when the media at the resume point seems to be what ends ffmpeg: go on with the next segment. */
  readonly isPositionGivenUp: boolean;
}

/** How often and how soon ffmpeg is started again: at once the first time, then less and less, for ever. */
export class RestartBudget {
  #fruitless = 0;

  /** Parts came out: whatever was wrong is over. */
  noteProgress(): void {
    this.#fruitless = 0;
  }

  /** How much longer than usual a run may be silent: each fruitless one is given more time, up to four times. */
  get patience(): number {
    return Math.min(4, 2 ** this.#fruitless);
  }

  /** Asks for a restart. */
  next(): RestartTerms {
    const delayMs =
      this.#fruitless === 0 ? 0 : Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (this.#fruitless - 1));
    this.#fruitless += 1;
    return { delayMs, isPositionGivenUp: this.#fruitless > MAX_FRUITLESS_RESTARTS };
  }
}

/** The budget of the period that is made: it outlives attempts, streams to the packager and leases. */
export class PeriodBudgets {
  #ordinal: number | undefined;
  #budget = new RestartBudget();

  /** The budget of a period; another period has other media, so it begins anew. */
  of(ordinal: number): RestartBudget {
    if (ordinal !== this.#ordinal) this.#budget = new RestartBudget();
    this.#ordinal = ordinal;
    return this.#budget;
  }
}
