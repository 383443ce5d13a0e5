/**
 * Runs every bench one after the other, on a machine with nothing else to do, and prints one Markdown table of all figures.
 *
 * `node bench/all.ts` takes about an hour and a half, `--short` a few minutes (its figures say little). `--table` prints the table of
 * what `bench/results` holds without running anything; `scripts/generate` writes it into the README. Exit codes: 0 measured, 1 a bench failed, 2 wrong options.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BENCHES, describeResults } from './lib/results.ts';

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
process.stdout.write(`\n${describeResults()}\n`);
if (failed.length > 0) {
  process.stderr.write(`failed: ${failed.join(', ')}\n`);
  process.exitCode = 1;
}
