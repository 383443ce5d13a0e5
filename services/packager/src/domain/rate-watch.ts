import type { session } from '@millrace/contracts';

/** A declared rate that was passed. */
export interface RateExceeded {
  readonly rate: 'peak' | 'average';
  readonly measuredBps: number;
  readonly declaredBps: number;
  /** True the first time for this rendition: worth an event. */
  readonly isFirst: boolean;
}

/** M-1: a segment may be 125 % of BANDWIDTH, the long-run average 110 % of AVERAGE-BANDWIDTH. */
const PEAK_FACTOR = 1.25;
const AVERAGE_FACTOR = 1.1;
/** A rate of less than half a target duration is no peak (RFC 8216bis, section 4.4.6.2): such segments end periods. */
const SHORTEST_OF_TARGET = 0.5;
/** Before this much media an average says nothing. */
const AVERAGE_FROM_SECONDS = 30;

/** Compares what a rendition measures with what was declared when its session opened. Nothing is ever changed by it. */
export class RateWatch {
  #bits = 0;
  #seconds = 0;
  readonly #reported = new Set<RateExceeded['rate']>();
  readonly #shortestSeconds: number;

  constructor(targetDurationSeconds: number) {
    this.#shortestSeconds = SHORTEST_OF_TARGET * targetDurationSeconds;
  }

  /** Enters a segment with media; returns what it passes. */
  add(rendition: session.Rendition, sizeBytes: number, seconds: number): readonly RateExceeded[] {
    if (seconds <= 0) return [];
    this.#bits += sizeBytes * 8;
    this.#seconds += seconds;
    const peak =
      seconds < this.#shortestSeconds
        ? undefined
        : this.#compare('peak', (sizeBytes * 8) / seconds, rendition.bandwidthBps, PEAK_FACTOR);
    const average =
      this.#seconds < AVERAGE_FROM_SECONDS
        ? undefined
        : this.#compare('average', this.#bits / this.#seconds, rendition.averageBandwidthBps, AVERAGE_FACTOR);
    return [peak, average].filter((exceeded) => exceeded !== undefined);
  }

  #compare(
    rate: RateExceeded['rate'],
    measuredBps: number,
    declaredBps: number,
    factor: number,
  ): RateExceeded | undefined {
    if (declaredBps <= 0 || measuredBps <= declaredBps * factor) return undefined;
    const isFirst = !this.#reported.has(rate);
    this.#reported.add(rate);
    return { rate, measuredBps, declaredBps, isFirst };
  }
}
