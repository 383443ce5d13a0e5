/** The times that every session store keeps, in ms, and its counts. */
export const SESSION_RULES = {
  /** How long a publication lives without renewal. */
  publicationTtlMs: 1000,
  /**
   * How long a publication that nobody renews is left its channel, from when that is noticed, by all but encoders of its own
   * role: after the store was away everybody is late.
   */
  lapseMs: 1500,
  /** How long an encoder that was taken over may not take back while its successor delivers. */
  takeBackHoldMs: 30_000,
  /** Takeovers within `takeoverWindowMs` after which the policy is `reject`. */
  takeoverLimit: 4,
  takeoverWindowMs: 60_000,
  /** How long an ended record is kept for those who have not read it. */
  endedRetentionMs: 10 * 60_000,
} as const;

/** Recent periods that a record keeps. */
export const MAX_RECENT_PERIODS = 64;
