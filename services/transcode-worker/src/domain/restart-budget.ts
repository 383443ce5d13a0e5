const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5000;
/** Restarts in a row without progress after which the segment at the resume point is given up. */
const MAX_FRUITLESS_RESTARTS = 3;
/** Time without progress after which all that has waited meanwhile is given up: the ring of ingest reaches back 20 s. */
const MAX_FRUITLESS_MS = 8000;

/** What the next restart is to do. */
export interface RestartTerms {
  readonly delayMs: number;
  /**
   * What is not tried again, when the media at the resume point seem to be what ends or silences ffmpeg: their segment, or,
   * after a while, everything up to the newest.
   */
  readonly givenUp: 'nothing' | 'segment' | 'backlog';
}

/** How often and how soon ffmpeg is started again: at once the first time, then less and less, for ever. */
export class RestartBudget {
  #fruitless = 0;
  #fruitlessSinceMs = 0;

  /** Parts came out of every output: whatever was wrong is over. */
  noteProgress(): void {
    this.#fruitless = 0;
  }

  /** How much longer than usual a run may be silent: each fruitless one is given more time, up to four times. */
  get patience(): number {
    return Math.min(4, 2 ** this.#fruitless);
  }

  /** Asks for a restart. */
  next(nowMs: number): RestartTerms {
    const before = this.#fruitless;
    const delayMs = before === 0 ? 0 : Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (before - 1));
    if (before === 0) this.#fruitlessSinceMs = nowMs;
    this.#fruitless += 1;
    if (nowMs - this.#fruitlessSinceMs >= MAX_FRUITLESS_MS) return { delayMs, givenUp: 'backlog' };
    return { delayMs, givenUp: before >= MAX_FRUITLESS_RESTARTS ? 'segment' : 'nothing' };
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
