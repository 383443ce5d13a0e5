import {
  CircuitState,
  circuitBreaker,
  ConsecutiveBreaker,
  ExponentialBackoff,
  handleWhen,
  isBrokenCircuitError,
  retry,
  wrap,
} from 'cockatiel';
import { Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import type { Logger } from './logger.ts';
import { ServiceError } from './service-error.ts';

/** Tries of one call; between them a jittered wait that doubles. */
const MAX_RETRIES = 2;
const FIRST_WAIT_MS = 100;
const MAX_WAIT_MS = 1000;
/** Failures in a row after which nobody is asked any more, and for how long. */
const FAILURES_TO_OPEN = 5;
const OPEN_MS = 2000;
const STATES = {
  closed: CircuitState.Closed,
  half_open: CircuitState.HalfOpen,
  open: CircuitState.Open,
} as const;

/** Defines the metric of all guards of a process. */
export function createGuardMetrics(registry: Registry) {
  return {
    circuits: new Gauge({
      name: 'millrace_outbound_circuit_state',
      help: '1 for the state that the circuit of calls to a peer is in: closed (calls are made), open (they fail at once), half_open (one is tried).',
      labelNames: ['peer', 'state'] as const,
      registers: [registry],
    }),
  };
}

/** What a guard is made of. */
export interface OutboundGuardOptions {
  /** Who is called: a label, and a word in messages. */
  readonly peer: string;
  readonly metrics: ReturnType<typeof createGuardMetrics>;
  readonly logger: Logger;
}

/** Makes a call under the guard; `call` brings a deadline of its own. */
export type OutboundGuard = <T>(call: () => Promise<T>) => Promise<T>;

/**
 * Guards calls that are off the live path: what may succeed a moment later (retryable `ServiceError`s) is tried up to three times
 * with jitter; after five failures in a row calls fail at once with `OUTBOUND_CIRCUIT_OPEN` (retryable), and one is tried every 2 s.
 */
export function createOutboundGuard({ peer, metrics, logger }: OutboundGuardOptions): OutboundGuard {
  const isRetryable = handleWhen((error) => error instanceof ServiceError && error.retryable);
  const breaker = circuitBreaker(isRetryable, {
    halfOpenAfter: OPEN_MS,
    breaker: new ConsecutiveBreaker(FAILURES_TO_OPEN),
  });
  const show = (current: CircuitState): void => {
    for (const [state, value] of Object.entries(STATES))
      metrics.circuits.set({ peer, state }, value === current ? 1 : 0);
  };
  show(CircuitState.Closed);
  breaker.onStateChange(show);
  breaker.onBreak(() => logger.warn({ peer }, 'Calls fail again and again: for 2 s each nobody is asked'));
  breaker.onReset(() => logger.info({ peer }, 'Calls succeed again'));
  const policy = wrap(
    retry(isRetryable, {
      maxAttempts: MAX_RETRIES,
      backoff: new ExponentialBackoff({ initialDelay: FIRST_WAIT_MS, maxDelay: MAX_WAIT_MS }),
    }),
    breaker,
  );
  return async (call) => {
    try {
      return await policy.execute(call);
    } catch (error) {
      if (!isBrokenCircuitError(error)) throw error;
      throw new ServiceError(
        'UNAVAILABLE',
        'OUTBOUND_CIRCUIT_OPEN',
        `Calls to ${peer} have failed ${FAILURES_TO_OPEN} times in a row: it is asked again within 2 s`,
        { cause: error, retryable: true },
      );
    }
  };
}
