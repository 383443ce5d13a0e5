import type { IngestConfig } from '../config.ts';
import { RateLimit } from './rate-limit.ts';
import { tooManyPeriods, tooManyUnits } from './refusals.ts';

const UNIT_WINDOW_MS = 5000;
const PERIOD_WINDOW_MS = 60_000;

/**
 * What one publication may make of a session.
 *
 * A few bytes of RTMP can stand for a second of media that has to be filled, or for a period with all that hangs on it: the
 * bitrate says nothing of what an encoder costs.
 */
export class PublicationLimits {
  readonly #units: RateLimit;
  readonly #periods: RateLimit;
  readonly #most: Pick<IngestConfig['limits'], 'unitsPerSecond' | 'periodsPerMinute'>;

  constructor(most: Pick<IngestConfig['limits'], 'unitsPerSecond' | 'periodsPerMinute'>, nowMs: number) {
    this.#most = most;
    this.#units = new RateLimit((most.unitsPerSecond * UNIT_WINDOW_MS) / 1000, UNIT_WINDOW_MS, nowMs);
    this.#periods = new RateLimit(most.periodsPerMinute, PERIOD_WINDOW_MS, nowMs);
  }

  /**
   * Counts what a message came to, itself at least. Throws `INGEST_UNIT_LIMIT` and `INGEST_PERIOD_LIMIT`.
   */
  take({ units, periods }: { readonly units: number; readonly periods: number }, nowMs: number): void {
    if (!this.#units.take(Math.max(1, units), nowMs)) throw tooManyUnits(this.#most.unitsPerSecond);
    if (periods > 0 && !this.#periods.take(periods, nowMs)) throw tooManyPeriods(this.#most.periodsPerMinute);
  }
}
