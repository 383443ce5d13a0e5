import { describe, expect, test } from '@jest/globals';
import { judgeJest } from './jest-outcome.ts';
import type { JestReport } from './jest-outcome.ts';

const PASSED: JestReport = {
  numPassedTests: 1,
  numFailedTests: 0,
  numPendingTests: 0,
  numTodoTests: 0,
  numRuntimeErrorTestSuites: 0,
  testResults: [{ name: '/x/a.test.ts', assertionResults: [{ fullName: 'a works', status: 'passed' }] }],
};
const EMPTY: JestReport = { ...PASSED, numPassedTests: 0, testResults: [] };
const FAILED: JestReport = {
  ...PASSED,
  numPassedTests: 0,
  numFailedTests: 1,
  testResults: [{ name: '/x/a.test.ts', assertionResults: [{ fullName: 'a works', status: 'failed' }] }],
};

describe('the outcome of a run of Jest', () => {
  test('tests that passed are counted and named', () => {
    expect(judgeJest(PASSED, 0)).toEqual({
      ...{ passed: 1, failed: 0, skipped: 0, problems: [] },
      tests: [{ file: '/x/a.test.ts', name: 'a works', hasPassed: true }],
    });
  });

  test.each([
    ['no test at all, though Jest is content', EMPTY, 0, 1],
    ['no test at all, of which Jest complains', EMPTY, 1, 1],
    ['every test passed, but Jest did not', PASSED, 1, 1],
    ['every test passed, but Jest was killed', PASSED, null, 1],
    ['a test that failed counts once', FAILED, 1, 1],
    ['a file that could not be loaded', { ...EMPTY, numRuntimeErrorTestSuites: 1 }, 1, 1],
  ])('a failure: %s', (_name, report, status, failed) => {
    expect(judgeJest(report, status).failed).toBe(failed);
  });

  test('tests left out are counted as skipped', () => {
    expect(judgeJest({ ...PASSED, numPendingTests: 2, numTodoTests: 1 }, 0).skipped).toBe(3);
  });
});
