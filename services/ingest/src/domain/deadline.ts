import { ServiceError } from '@millrace/runtime';

/**
 * Waits for an answer, but no longer than `ms`.
 *
 * Throws `INGEST_NO_ANSWER` (`DEADLINE_EXCEEDED`, retryable) when the time is over. What the answer brings after that is
 * nobody's: whoever asked frees it.
 */
export async function withDeadline<T>(answer: Promise<T>, ms: number): Promise<T> {
  const { promise: expiry, reject } = Promise.withResolvers<never>();
  const expire = (): void => {
    const message = `No answer within ${Math.round(ms)} ms`;
    reject(new ServiceError('DEADLINE_EXCEEDED', 'INGEST_NO_ANSWER', message, { retryable: true }));
  };
  const timer = setTimeout(expire, ms);
  try {
    return await Promise.race([answer, expiry]);
  } finally {
    clearTimeout(timer);
  }
}
