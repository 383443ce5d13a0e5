import { setTimeout as sleep } from 'node:timers/promises';
import { ServiceError } from '../../service-error.ts';

/**
 * Waits for something for so long, and no longer than until the signal is aborted; then throws `KAFKA_DEADLINE_EXCEEDED`.
 *
 * What was waited for goes on; when it fails later, nobody is told.
 */
export async function withDeadline<T>(
  promise: Promise<T>,
  deadlineMs: number,
  what: string,
  signal?: AbortSignal,
): Promise<T> {
  const given = Promise.withResolvers<never>();
  const giveUp = (): void => {
    given.reject(
      new ServiceError(
        'DEADLINE_EXCEEDED',
        'KAFKA_DEADLINE_EXCEEDED',
        `Kafka took longer than ${deadlineMs} ms to ${what}; look at the load and the log of its brokers`,
      ),
    );
  };
  const timer = setTimeout(giveUp, deadlineMs);
  signal?.addEventListener('abort', giveUp);
  if (signal?.aborted === true) giveUp();
  try {
    return await Promise.race([promise, given.promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', giveUp);
  }
}

/** Lets time pass until the signal is aborted. */
export async function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  await sleep(durationMs, undefined, { signal }).catch(() => {});
}

/** Doubles from `firstMs` to `maxMs`, with a fifth of jitter, so that a fleet does not come back in step. */
export class Backoff {
  readonly #firstMs: number;
  readonly #maxMs: number;
  #nextMs: number;

  constructor(firstMs: number, maxMs: number) {
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
    this.#nextMs = firstMs;
  }

  /** How long to wait before the next attempt, in ms. */
  next(): number {
    const waitMs = this.#nextMs * (0.8 + 0.4 * Math.random());
    this.#nextMs = Math.min(this.#nextMs * 2, this.#maxMs);
    return waitMs;
  }

  /** An attempt succeeded. */
  reset(): void {
    this.#nextMs = this.#firstMs;
  }
}
