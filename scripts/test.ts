/**
 * Runs the stages of the tests in order and closes with one line "N passed, N failed, N skipped".
 *
 *   --only STAGE   check | ffmpeg | property | e2e | browser | dependencies | distributed
 *   --long         the long forms
 *
 * `check` is what `pnpm check` runs. Exit codes: 0 all passed, 1 something failed or was skipped, 2 wrong usage.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findUnprovenClaims } from './claims.ts';
import type { ProvenTest } from './claims.ts';
import { findUnprovenRules } from './conformance.ts';
import { judgeJest } from './jest-outcome.ts';
import type { JestOutcome, JestReport } from './jest-outcome.ts';

const ROOT = `${import.meta.dirname}/../`;
const JEST = [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  'node_modules/jest/bin/jest.js',
];
/** For tests that wait for nothing but their own work; Jest would leave one core idle. */
const EVERY_CORE = ['--maxWorkers', '100%'];
/** For tests that mostly wait, for media or for a fail-over: on any machine as many as two cores bear. */
const SIDE_BY_SIDE = ['--maxWorkers', '3'];
/** Random and mutated inputs for each parser in the full run; `scripts/fuzz` takes more. */
const FUZZ_RUNS = 100_000;

const FFMPEG_TESTS = String.raw`\.ffmpeg\.test\.ts$`;
const REDIS_TESTS = String.raw`\.redis\.test\.ts$`;
const KAFKA_TESTS = String.raw`\.kafka\.test\.ts$`;
/** Tests that need something which the project does not bring along: an ffmpeg, a Redis, a Kafka. */
const SYSTEM_TESTS = String.raw`\.(ffmpeg|redis|kafka)\.test\.ts$`;

interface Totals {
  passed: number;
  failed: number;
  skipped: number;
  readonly tests: ProvenTest[];
}

interface Step {
  readonly name: string;
  readonly run: (totals: Totals) => void;
}

interface Stage {
  readonly name: string;
  /** Allowance on 2 cores; a suite over it is a defect of the suite. */
  readonly budgetMinutes: number;
  readonly steps: readonly Step[];
}

/** A Jest that hangs is ended, and counts as failed. */
const JEST_DEADLINE_MS = 30 * 60_000;
const isLong = process.argv.includes('--long');
const onlyAt = process.argv.indexOf('--only');
const only = onlyAt < 0 ? undefined : process.argv[onlyAt + 1];

/** A step that is one command: it counts as one test. */
function command(name: string, program: string, ...args: string[]): Step {
  return {
    name,
    run(totals) {
      const { status } = spawnSync(program, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
      if (status === 0) totals.passed += 1;
      else totals.failed += 1;
      if (status !== 0) process.stdout.write(`\n${name}: FAILED (${program} ${args.join(' ')})\n`);
    },
  };
}

/** A step that runs Jest on some paths. */
function jest(
  name: string,
  options: { readonly args: readonly string[]; readonly env?: Record<string, string> },
): Step {
  return {
    name,
    run(totals) {
      const directory = mkdtempSync(join(tmpdir(), 'millrace-test-'));
      const reportPath = join(directory, 'report.json');
      try {
        const { status } = spawnSync(
          process.execPath,
          [...JEST, '--json', `--outputFile=${reportPath}`, ...options.args],
          {
            cwd: ROOT,
            stdio: ['ignore', 'ignore', 'inherit'],
            ...(isLong ? {} : { timeout: JEST_DEADLINE_MS, killSignal: 'SIGKILL' as const }),
            env: { ...process.env, ...options.env, ...(isLong ? { MILLRACE_LONG: '1' } : {}) },
          },
        );
        const report = JSON.parse(readFileSync(reportPath, 'utf8')) as JestReport;
        count(name, judgeJest(report, status), totals);
      } catch (error) {
        totals.failed += 1;
        process.stdout.write(`${name}: Jest left no report (${(error as Error).message})\n`);
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    },
  };
}

function count(name: string, outcome: JestOutcome, totals: Totals): void {
  totals.passed += outcome.passed;
  totals.failed += outcome.failed;
  totals.skipped += outcome.skipped;
  totals.tests.push(...outcome.tests);
  for (const problem of outcome.problems) process.stdout.write(`${name}: ${problem}\n`);
}

const STAGES: readonly Stage[] = [
  {
    name: 'check',
    budgetMinutes: 2,
    steps: [
      command('types', 'tsc', '-p', '.', '--noEmit'),
      command('lint', 'oxlint', '--type-aware', '--deny-warnings'),
      command('format', 'prettier', '--check', '--log-level', 'warn', '.'),
      command('layers', process.execPath, 'scripts/check-layers.ts'),
      command('drift', process.execPath, 'scripts/check-drift.ts'),
      command('dead code', 'knip', '--no-progress'),
      // This stage needs no system package.
      jest('unit', {
        args: [
          ...EVERY_CORE,
          'packages',
          'services',
          'scripts',
          'bench',
          '--testPathIgnorePatterns',
          SYSTEM_TESTS,
          '/node_modules/',
          '/dist/',
        ],
      }),
    ],
  },
  {
    name: 'ffmpeg',
    budgetMinutes: 3,
    steps: [jest('with a real ffmpeg', { args: ['--runInBand', '--testPathPatterns', FFMPEG_TESTS] })],
  },
  {
    name: 'property',
    budgetMinutes: 3,
    steps: [
      jest('property', {
        args: [...EVERY_CORE, '--testPathPatterns', String.raw`\.property\.test\.ts$`],
        env: { MILLRACE_FUZZ_RUNS: String(FUZZ_RUNS) },
      }),
    ],
  },
  {
    name: 'e2e',
    budgetMinutes: 5.4,
    steps: [
      jest('end to end', {
        args: [
          '--runInBand',
          '--testPathPatterns',
          String.raw`/e2e/(?!browser/|distributed/).*\.(e2e|test)\.ts$`,
        ],
      }),
    ],
  },
  // Browser tests run with nothing beside them: a stalled decoder must be the product's fault.
  { name: 'browser', budgetMinutes: 1.6, steps: [jest('browser', { args: ['--runInBand', 'e2e/browser'] })] },
  {
    name: 'dependencies',
    budgetMinutes: 1.9,
    steps: [
      jest('with a real Redis', { args: [...SIDE_BY_SIDE, '--testPathPatterns', REDIS_TESTS] }),
      jest('with a real Kafka', { args: [...SIDE_BY_SIDE, '--testPathPatterns', KAFKA_TESTS] }),
    ],
  },
  {
    name: 'distributed',
    budgetMinutes: 6.1,
    steps: [jest('on separate processes', { args: [...SIDE_BY_SIDE, 'e2e/distributed'] })],
  },
];

function main(): number {
  const stages = STAGES.filter((stage) => only === undefined || stage.name === only);
  if (stages.length === 0) {
    process.stderr.write(
      `--only ${only ?? ''}: no such stage; there are ${STAGES.map((stage) => stage.name).join(', ')}\n`,
    );
    return 2;
  }
  const totals: Totals = { passed: 0, failed: 0, skipped: 0, tests: [] };
  const summary: string[] = [];
  const installStarted = Number(process.env['INSTALL_STARTED_MS']);
  if (installStarted > 0) summary.push(line('install', Date.now() - installStarted, 4));
  for (const stage of stages) {
    const startedMs = Date.now();
    for (const step of stage.steps) {
      process.stdout.write(`\n== ${stage.name}: ${step.name}\n`);
      step.run(totals);
    }
    summary.push(line(stage.name, Date.now() - startedMs, stage.budgetMinutes));
  }
  if (only === undefined) {
    const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
    judge('claims', findUnprovenClaims(read('e2e/CLAIMS.md'), totals.tests, ROOT), totals);
    judge('conformance', findUnprovenRules(read('docs/conformance.md'), totals.tests), totals);
  }
  process.stdout.write(`\n${summary.join('\n')}\n`);
  process.stdout.write(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped\n`);
  return totals.failed === 0 && totals.skipped === 0 && totals.passed > 0 ? 0 : 1;
}

/** A document that has to be proven counts as one test, and each problem with it as one that failed. */
function judge(name: string, problems: readonly string[], totals: Totals): void {
  for (const problem of problems) process.stdout.write(`${name}: ${problem}\n`);
  if (problems.length === 0) totals.passed += 1;
  else totals.failed += problems.length;
}

function line(name: string, tookMs: number, budgetMinutes: number): string {
  const minutes = tookMs / 60_000;
  const verdict = isLong || minutes <= budgetMinutes ? '' : '  OVER BUDGET';
  return `${name.padEnd(10)} ${minutes.toFixed(1)} of ${budgetMinutes} min${verdict}`;
}

process.exitCode = main();
