import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatTable, RESULTS_DIRECTORY } from './report.ts';
import type { Figure } from './report.ts';

/** Every bench, in the order in which they run. */
export const BENCHES: readonly string[] = [
  'cpu-per-session',
  'cpu-distributed',
  'caught-up',
  'session-units',
  'sessions',
  'first-playable',
  'start-to-ready',
  'rtmp-publications',
  'channels-per-core',
  'origin',
  'memory',
];

interface Result {
  readonly takenAt: string;
  readonly isShort: boolean;
  readonly machine: { readonly cores: number; readonly cpu: string };
  readonly versions: Readonly<Record<string, string>>;
  readonly figures: readonly Figure[];
}

/** The figures of `bench/results` as Markdown: one table, and what it was taken with. Empty when nothing was measured. */
export function describeResults(): string {
  const results = BENCHES.map((bench) => join(RESULTS_DIRECTORY, `${bench}.json`))
    .filter((path) => existsSync(path))
    .map((path) => JSON.parse(readFileSync(path, 'utf8')) as Result);
  const [first] = results;
  if (first === undefined) return '';
  const days = [...new Set(results.map(({ takenAt }) => takenAt.slice(0, 10)))].join(', ');
  const shortOnes = results.some((result) => result.isShort) ? '; short runs, which say little' : '';
  const versions = Object.entries(first.versions)
    .filter(([name]) => name !== 'millrace')
    .map(([name, version]) => `${name} ${version}`);
  return `${formatTable(results.flatMap(({ figures }) => figures))}\n\nTaken ${days} on ${first.machine.cores} cores of ${first.machine.cpu}, ${versions.join(', ')}${shortOnes}.`;
}
