/**
 * Runs every bench one after the other, on a machine with nothing else to do, and prints one Markdown table of all figures.
 *
 * `node bench/all.ts` takes about an hour and a half, `--short` a few minutes (its figures say little). `--table` prints the table of
 * what `bench/results` holds without running anything. Exit codes: 0 measured, 1 a bench failed, 2 wrong options.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { formatTable, RESULTS_DIRECTORY } from './lib/report.ts';
import type { Figure } from './lib/report.ts';

const BENCHES = [
  'cpu-per-session',
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

function readOptions(): { readonly isShort: boolean; readonly isTableOnly: boolean } {
  try {
    const { values } = parseArgs({ options: { short: { type: 'boolean' }, table: { type: 'boolean' } } });
    return { isShort: values.short === true, isTableOnly: values.table === true };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}; there are --short and --table\n`);
    process.exit(2);
  }
}

function run(bench: string, isShort: boolean): boolean {
  process.stdout.write(`\n${bench}\n`);
  const args = [join(import.meta.dirname, `${bench}.ts`), ...(isShort ? ['--short'] : [])];
  return spawnSync(process.execPath, args, { stdio: 'inherit' }).status === 0;
}

const { isShort, isTableOnly } = readOptions();
const failed = isTableOnly ? [] : BENCHES.filter((bench) => !run(bench, isShort));
const results = BENCHES.map((bench) => join(RESULTS_DIRECTORY, `${bench}.json`))
  .filter((path) => existsSync(path))
  .map((path) => JSON.parse(readFileSync(path, 'utf8')) as Result);
const [first] = results;
if (first !== undefined) {
  const days = [...new Set(results.map(({ takenAt }) => takenAt.slice(0, 10)))].join(', ');
  const shortOnes = results.some((result) => result.isShort) ? '; short runs, which say little' : '';
  const versions = Object.entries(first.versions).map(([name, version]) => `${name} ${version}`);
  process.stdout.write(
    `\n${formatTable(results.flatMap(({ figures }) => figures))}\n\nTaken ${days} on ${first.machine.cores} cores of ${first.machine.cpu}, ${versions.join(', ')}${shortOnes}.\n`,
  );
}
if (failed.length > 0) {
  process.stderr.write(`failed: ${failed.join(', ')}\n`);
  process.exitCode = 1;
}
