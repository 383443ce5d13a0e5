import type { Readable } from 'node:stream';
import { ServiceError } from '../../service-error.ts';
import type { Received } from './method.ts';

/**
 * Reads the messages of a call at the pace of who iterates.
 *
 * gRPC reads 16 messages ahead, then no more from the connection, so that the peer has to wait. All that came before a
 * failure is given before it is thrown; an abort ends the iteration without an error. The stream is watched from now on,
 * also when nobody iterates yet.
 */
export function readMessages<T>(
  stream: Readable,
  signal: AbortSignal,
): AsyncGenerator<T, undefined, undefined> {
  let wake: (() => void) | undefined;
  let failure: { readonly error: unknown } | undefined;
  let isOver = false;
  const onNews = (): void => wake?.();
  stream.on('readable', onNews);
  stream.on('error', (error: unknown) => {
    failure ??= { error };
    onNews();
  });
  for (const event of ['end', 'close']) {
    stream.on(event, () => {
      isOver = true;
      onNews();
    });
  }

  async function* messages(): AsyncGenerator<T, undefined, undefined> {
    signal.addEventListener('abort', onNews);
    try {
      while (!signal.aborted) {
        const received = stream.read() as Received<T> | null;
        if (received instanceof ServiceError) throw received;
        if (received !== null) yield received;
        else if (failure !== undefined) throw failure.error;
        else if (isOver) return;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      signal.removeEventListener('abort', onNews);
    }
  }
  return messages();
}
