import { ServiceError } from '@millrace/runtime';
import type { WaitingRoom } from './waiting-room.ts';

/** Longest single wait; whoever is still there waits again. */
const WAIT_MS = 60_000;

/**
 * Waits in a room until the condition holds: true then; false when the deadline passes, the signal is aborted or the room is
 * closed. Throws `PACKAGER_LIMIT` when there is no place.
 */
export async function waitInRoom(
  room: WaitingRoom,
  isReady: () => boolean,
  { signal, deadlineMs = Infinity }: { readonly signal: AbortSignal; readonly deadlineMs?: number },
): Promise<boolean> {
  const endsAtMs = performance.now() + deadlineMs;
  while (!signal.aborted) {
    if (isReady()) return true;
    const leftMs = endsAtMs - performance.now();
    if (room.isClosed || leftMs <= 0) return false;
    await waitOnce(room, isReady, signal, Math.min(leftMs, WAIT_MS));
  }
  return false;
}

function waitOnce(
  room: WaitingRoom,
  isReady: () => boolean,
  signal: AbortSignal,
  waitMs: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      leave?.();
      resolve();
    };
    const leave = room.wait(isReady, waitMs, () => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
    if (leave === undefined) {
      reject(
        new ServiceError(
          'RESOURCE_EXHAUSTED',
          'PACKAGER_LIMIT',
          'This packager holds as many waits as limits.maxWaiters allows.',
        ),
      );
      return;
    }
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
