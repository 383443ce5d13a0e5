import { ServiceError } from '@millrace/runtime';

/**
 * Waits for an answer, but no longer than `ms`, nor past an abort of the signal.
 *
 * Throws `ServiceError` (`DEADLINE_EXCEEDED`, `WORKER_NO_ANSWER`; retryable) when the time is over, the signal's reason when
 * it is aborted. What the answer brings after that is nobody's: whoever asked frees it.
 */
export async function withDeadline<T>(
  answer: Promise<T>,
  options: { readonly ms: number; readonly what: string; readonly signal?: AbortSignal },
): Promise<T> {
  const { ms, what, signal } = options;
  const { promise: cut, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(
      new ServiceError('DEADLINE_EXCEEDED', 'WORKER_NO_ANSWER', `${what}: no answer within ${ms} ms`, {
        retryable: true,
      }),
    );
  }, ms);
  const onAbort = (): void => reject(signal?.reason as Error);
  signal?.addEventListener('abort', onAbort);
  if (signal?.aborted === true) onAbort();
  try {
    return await Promise.race([answer, cut]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

/** Waits, or until the signal is aborted; true when the whole time went by. */
export async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const onAbort = (): void => resolve();
  signal.addEventListener('abort', onAbort);
  await promise;
  clearTimeout(timer);
  signal.removeEventListener('abort', onAbort);
  return !signal.aborted;
}
