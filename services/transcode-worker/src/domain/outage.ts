import { jittered, ServiceError } from '@millrace/runtime';
import type { Clock, Logger } from '@millrace/runtime';
import type { WorkerMetrics } from '../metrics.ts';

/** Whom a worker calls, as its metrics name them. */
export type Peer = 'packager' | 'ingest' | 'leases';

const FIRST_BACKOFF_MS = 25;
/** Relay, sink and lease calls have no circuit breaker, only this. */
const MAX_BACKOFF_MS = 250;

/**
 * The calls to one peer, as far as they fail: how long to wait before the next, and what people are told.
 *
 * Every failure is counted. An outage is logged when it begins, when its cause changes and when it is over, however often the
 * peer is tried in between.
 */
export class Outage {
  readonly #peer: Peer;
  readonly #sessionId: string | undefined;
  readonly #metrics: WorkerMetrics;
  readonly #logger: Logger;
  readonly #clock: Clock;
  #failures = 0;
  #sinceMs = 0;
  #cause: string | undefined;

  constructor(options: {
    readonly peer: Peer;
    /** Unset for what all sessions of the worker share. */
    readonly sessionId?: string;
    readonly metrics: WorkerMetrics;
    readonly logger: Logger;
    readonly clock: Clock;
  }) {
    this.#peer = options.peer;
    this.#sessionId = options.sessionId;
    this.#metrics = options.metrics;
    this.#logger = options.logger;
    this.#clock = options.clock;
  }

  /** Failures since the peer last did what it was asked. */
  get failures(): number {
    return this.#failures;
  }

  /** Notes a failure; returns how long to wait before the next try, in ms. */
  failed(error: unknown): number {
    const cause = error instanceof ServiceError ? error.id : 'unknown';
    this.#metrics.peerFailures.inc({ peer: this.#peer });
    if (this.#failures === 0) {
      this.#sinceMs = this.#clock();
      this.#metrics.peerOutages.inc({ peer: this.#peer });
    }
    if (cause !== this.#cause) {
      this.#logger.warn(
        { err: error, peer: this.#peer, sessionId: this.#sessionId },
        `A call to the ${this.#peer} failed; it is tried again until it succeeds, which is logged`,
      );
    }
    this.#cause = cause;
    this.#failures += 1;
    return jittered(Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (this.#failures - 1)));
  }

  /** The peer does what it is asked. */
  recovered(): void {
    if (this.#failures === 0) return;
    this.#logger.info(
      {
        peer: this.#peer,
        sessionId: this.#sessionId,
        failures: this.#failures,
        outageMs: Math.round(this.#clock() - this.#sinceMs),
      },
      `Calls to the ${this.#peer} succeed again`,
    );
    this.end();
  }

  /** Nobody calls the peer any more. */
  end(): void {
    if (this.#failures > 0) this.#metrics.peerOutages.dec({ peer: this.#peer });
    this.#failures = 0;
    this.#cause = undefined;
  }
}
