import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';

/** One measured figure beside what it has to reach. */
export interface Figure {
  readonly name: string;
  /** As a person reads it: median, spread, unit. */
  readonly measured: string;
  /** The figure the target is about. */
  readonly value: number;
  readonly target: string;
  readonly isReached: boolean;
}

/** Prints the figures as a Markdown table and keeps them as JSON in `bench/results/<name>.json`. */
export function report(
  name: string,
  figures: readonly Figure[],
  notes: Readonly<Record<string, string>> = {},
): void {
  const rows = figures.map(
    (figure) =>
      `| ${[figure.name, figure.measured, figure.target, figure.isReached ? 'yes' : 'no'].join(' | ')} |`,
  );
  const table = ['| figure | measured | target | reached |', '| --- | --- | --- | --- |', ...rows].join('\n');
  process.stdout.write(
    `\n${table}\n${Object.entries(notes)
      .map(([key, value]) => `${key}: ${value}\n`)
      .join('')}`,
  );
  const machine = {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    node: process.version,
  };
  const directory = join(import.meta.dirname, '..', 'results');
  mkdirSync(directory, { recursive: true });
  const takenAt = new Date().toISOString();
  writeFileSync(
    join(directory, `${name}.json`),
    `${JSON.stringify({ takenAt, machine, notes, figures }, null, 2)}\n`,
  );
}
