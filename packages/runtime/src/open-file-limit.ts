import { readFileSync } from 'node:fs';
import type { Logger } from './logger.ts';

const LIMITS_PATH = '/proc/self/limits';
const LINE = /^Max open files +(\d+|unlimited) /m;
/** What a process opens beside its connections: libraries, listeners, the event loop, what it reads and writes. */
const FILES_OF_ITS_OWN = 64;

/** The soft limit of open files in the text of `/proc/<pid>/limits`; `undefined` when it does not say. */
export function parseOpenFileLimit(text: string): number | undefined {
  const value = LINE.exec(text)?.[1];
  if (value === undefined) return undefined;
  return value === 'unlimited' ? Infinity : Number(value);
}

/**
 * Warns in one sentence when this process may not open as many files as its settings allow connections.
 *
 * `needs` is how many files each setting comes to, by its name. Where the system does not say its limit nothing is checked.
 */
export function checkOpenFileLimit(
  needs: Readonly<Record<string, number>>,
  logger: Logger,
  readLimits: () => string = () => readFileSync(LIMITS_PATH, 'utf8'),
): void {
  const limit = limitOf(readLimits);
  const needed = Object.values(needs).reduce((sum, files) => sum + files, FILES_OF_ITS_OWN);
  if (limit === undefined || limit >= needed) return;
  logger.warn(
    { limit, needed },
    `At most ${limit} files may be open, and ${Object.keys(needs).join(' + ')} may need ${needed}: connections beyond would fail; raise the limit (ulimit -n, LimitNOFILE=) or lower these settings.`,
  );
}

function limitOf(readLimits: () => string): number | undefined {
  try {
    return parseOpenFileLimit(readLimits());
  } catch {
    // Only Linux has this file.
    return undefined;
  }
}
