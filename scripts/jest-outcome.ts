import type { ProvenTest } from './claims.ts';

/** What Jest writes with `--json`, as far as it is read here. */
export interface JestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly numRuntimeErrorTestSuites: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

/** What one run of Jest comes to. */
export interface JestOutcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly tests: readonly ProvenTest[];
  /** What is wrong beside tests that failed; each is counted in `failed`. */
  readonly problems: readonly string[];
}

/**
 * Counts a run of Jest by its report and its exit status, which is null when it was killed. A run without a test is a failure,
 * since a pattern that matches nothing proves nothing; so is a status other than 0 that no failed test explains.
 */
export function judgeJest(report: JestReport, status: number | null): JestOutcome {
  const failedTests = report.numFailedTests + report.numRuntimeErrorTestSuites;
  const tests = report.testResults.flatMap((file) =>
    file.assertionResults.map((test) => ({
      file: file.name,
      name: test.fullName,
      hasPassed: test.status === 'passed',
    })),
  );
  const problems: string[] = [];
  if (failedTests === 0 && tests.length === 0) problems.push('no test ran');
  else if (failedTests === 0 && status !== 0) problems.push(`Jest ended with exit status ${String(status)}`);
  return {
    passed: report.numPassedTests,
    failed: failedTests + problems.length,
    skipped: report.numPendingTests + report.numTodoTests,
    tests,
    problems,
  };
}
