import { setTimeout as delay } from 'node:timers/promises';

/** The observer's clock; tests give it one that jumps. */
export interface Timing {
  /** Milliseconds since 1970. */
  now(): number;
  /** Waits; returns early, without an error, when the signal is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** The real clock. */
export const realTiming: Timing = {
  now: Date.now,
  sleep: (ms, signal) => delay(ms, undefined, { signal }).catch(() => undefined),
};
