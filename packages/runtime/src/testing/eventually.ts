import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 20;

/** Resolves with the first value that is neither undefined nor false; rejects when none came within the deadline. */
export async function eventually<T>(
  look: () => Promise<T | undefined | false> | T | undefined | false,
  deadlineMs = 10_000,
): Promise<T> {
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    const value = await look();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > endMs) throw new Error(`not within ${deadlineMs} ms: ${look.toString()}`);
    await sleep(POLL_MS);
  }
}
