import { setTimeout as delay } from 'node:timers/promises';

const LOOK_MS = 50;

/** Waits until `look` gives something other than undefined or false; throws at the deadline, naming what was awaited. */
export async function waitFor<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  deadlineMs = 30_000,
): Promise<T> {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${deadlineMs} ms`);
    await delay(LOOK_MS);
  }
}
