import { setTimeout as delay } from 'node:timers/promises';
import type { ManagedProcess } from './managed-process.ts';

const LOOK_MS = 500;
/** Between the end of a process and its next start. */
const PAUSE_MS = 2000;

/** Starts whatever has ended again, as an orchestrator would, and says so, until `stopped` is aborted. */
export async function keepRunning(
  processes: readonly ManagedProcess[],
  stopped: AbortSignal,
  say: (sentence: string) => void,
): Promise<void> {
  const pause = (ms: number): Promise<unknown> =>
    delay(ms, undefined, { signal: stopped }).catch(() => undefined);
  const keep = async (one: ManagedProcess): Promise<void> => {
    while (!stopped.aborted) {
      await pause(LOOK_MS);
      if (one.pid !== undefined || stopped.aborted) continue;
      say(`${one.spec.name} has ended and is started again; its log: ${one.spec.logPath}`);
      await pause(PAUSE_MS);
      if (!stopped.aborted) one.start();
    }
  };
  await Promise.all(processes.map(keep));
}
