import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { formatSummary, summarize } from './statistics.ts';

/** One measured figure beside what it has to reach. */
export interface Figure {
  readonly name: string;
  /** As a person reads it: median, spread, unit. */
  readonly measured: string;
  /** The median. */
  readonly value: number;
  /** What was measured, run by run. */
  readonly values: readonly number[];
  /** As a person reads it; empty where a figure is only told. */
  readonly target: string;
  readonly isReached: boolean;
}

/** What a figure has to reach. */
export interface Target {
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** Where results are kept: `bench/results`. */
export const RESULTS_DIRECTORY = join(import.meta.dirname, '..', 'results');

/** Makes a figure of repeated measurements. */
export function figure(
  name: string,
  values: readonly number[],
  options: { readonly digits?: number; readonly unit?: string; readonly target?: Target } = {},
): Figure {
  const { digits = 2, unit = '', target = {} } = options;
  const summary = summarize(values);
  const suffix = unit === '' ? '' : ` ${unit}`;
  const { atMost, atLeast } = target;
  return {
    name,
    measured: `${formatSummary(summary, digits)}${suffix}`,
    value: summary.median,
    values,
    target: [
      ...(atMost === undefined ? [] : [`≤ ${atMost}${suffix}`]),
      ...(atLeast === undefined ? [] : [`≥ ${atLeast}${suffix}`]),
    ].join(', '),
    isReached:
      (atMost === undefined || summary.median <= atMost) &&
      (atLeast === undefined || summary.median >= atLeast),
  };
}

/** The figures as a Markdown table. */
export function formatTable(figures: readonly Figure[]): string {
  const rows = figures.map(
    ({ name, measured, target, isReached }) =>
      `| ${[name, measured, target, target === '' ? '' : isReached ? 'yes' : 'no'].join(' | ')} |`,
  );
  return [
    '| figure | measured: median (spread) | target | reached |',
    '| --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

/** Prints the figures as a Markdown table and keeps them as JSON in `bench/results/<name>.json`. */
export function report(
  name: string,
  figures: readonly Figure[],
  details: {
    readonly isShort: boolean;
    /** What a reader has to know to judge the figures. */
    readonly notes?: Readonly<Record<string, string>>;
    /** Where the time goes, when a figure is missed. */
    readonly profile?: readonly string[] | undefined;
  },
): void {
  const { isShort, notes = {}, profile } = details;
  const lines = Object.entries(notes).map(([key, value]) => `${key}: ${value}`);
  const profiled =
    profile === undefined ? [] : ['profile (self time):', ...profile.map((line) => `  ${line}`)];
  process.stdout.write(`\n${formatTable(figures)}\n\n${[...lines, ...profiled].join('\n')}\n`);
  mkdirSync(RESULTS_DIRECTORY, { recursive: true });
  const result = {
    takenAt: new Date().toISOString(),
    isShort,
    machine: {
      cores: availableParallelism(),
      cpu: cpus()[0]?.model ?? 'unknown',
      memoryGb: Math.round(totalmem() / 2 ** 30),
      loadAverage: loadavg(),
    },
    versions: versions(),
    notes,
    ...(profile === undefined ? {} : { profile }),
    figures,
  };
  writeFileSync(join(RESULTS_DIRECTORY, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`);
}

function versions(): Record<string, string> {
  return {
    node: process.version,
    millrace: printed('git', ['rev-parse', '--short', 'HEAD'], /^\S+/),
    ffmpeg: printed('ffmpeg', ['-version'], /(?<=version )\S+/),
    nginx: printed('nginx', ['-v'], /(?<=nginx\/)\S+/),
    kernel: printed('uname', ['-sr'], /^\S+ [\d.]+/),
  };
}

function printed(program: string, args: readonly string[], pattern: RegExp): string {
  try {
    const output = execFileSync('sh', ['-c', '"$0" "$@" 2>&1', program, ...args], {
      encoding: 'utf8',
      cwd: import.meta.dirname,
    });
    return pattern.exec(output)?.[0] ?? 'unknown';
  } catch {
    return 'not installed';
  }
}
