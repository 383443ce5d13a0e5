import type { Writable } from 'node:stream';

/** What became of a message: it is on its way, nobody waits for it any more, or the peer takes nothing. */
export type WriteOutcome = 'written' | 'aborted' | 'stalled';

/**
 * Writes one message and waits until the connection has taken it, which it does as fast as the peer reads.
 *
 * One message at a time is stricter than writing until `write` returns false: there, 16 of them would wait, of any size.
 */
export async function writeMessage(
  stream: Writable,
  message: Buffer,
  { signal, stallMs }: { readonly signal: AbortSignal; readonly stallMs: number },
): Promise<WriteOutcome> {
  if (signal.aborted) return 'aborted';
  const { promise, resolve } = Promise.withResolvers<WriteOutcome>();
  const onAbort = (): void => resolve('aborted');
  signal.addEventListener('abort', onAbort);
  const timer = setTimeout(() => resolve('stalled'), stallMs);
  stream.write(message, (error) => resolve(error === null || error === undefined ? 'written' : 'aborted'));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}
