import { ServiceError } from '@millrace/runtime';
import type { WaiterLimit, WaitingRoom } from './waiting-room.ts';

/** Longest single wait; whoever is still there waits again. */
const WAIT_MS = 60_000;

interface WaitOptions {
  readonly signal: AbortSignal;
  readonly deadlineMs?: number;
  /** Whose place is taken; that of the room when absent. */
  readonly limit?: WaiterLimit;
}

/**
 * Waits in a room until the condition holds: true then; false when the deadline passes, the signal is aborted or the room is
 * closed. Throws `PACKAGER_LIMIT` when there is no place.
 */
export async function waitInRoom(
  room: WaitingRoom,
  isReady: () => boolean,
  options: WaitOptions,
): Promise<boolean> {
  const { signal, deadlineMs = Infinity } = options;
  const endsAtMs = performance.now() + deadlineMs;
  while (!signal.aborted) {
    if (isReady()) return true;
    const leftMs = endsAtMs - performance.now();
    if (room.isClosed || leftMs <= 0) return false;
    await waitOnce(room, isReady, options, Math.min(leftMs, WAIT_MS));
  }
  return false;
}

function waitOnce(
  room: WaitingRoom,
  isReady: () => boolean,
  { signal, limit }: WaitOptions,
  waitMs: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      leave?.();
      resolve();
    };
    const onEnd = (): void => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    };
    const leave = room.wait(isReady, waitMs, onEnd, limit);
    if (leave === undefined) {
      reject(
        new ServiceError(
          'RESOURCE_EXHAUSTED',
          'PACKAGER_LIMIT',
          'This packager holds as many readers as limits.maxIndexReaders allows, or as many waits as limits.maxWaiters does.',
        ),
      );
      return;
    }
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
