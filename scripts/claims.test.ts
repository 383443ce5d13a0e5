import { describe, expect, test } from '@jest/globals';
import { findUnprovenClaims } from './claims.ts';

const ROOT = `${import.meta.dirname}/../`;
const RAN = [
  { file: '/x/e2e/ladder.e2e.ts', name: 'ladder three variants decode', hasPassed: true },
  { file: '/x/e2e/ladder.e2e.ts', name: 'ladder audio only', hasPassed: false },
];

describe('claims', () => {
  test.each([
    ['a test that passed', '- Ladders decode — e2e/ladder.e2e.ts: "three variants decode"', 0],
    ['a test that failed', '- Audio — e2e/ladder.e2e.ts: "audio only"', 1],
    ['a test that does not exist', '- Magic — e2e/ladder.e2e.ts: "magic"', 1],
    ['a test in another file', '- Ladders decode — e2e/other.e2e.ts: "three variants decode"', 1],
    ['a line without a test', '- Ladders decode — e2e/ladder.e2e.ts', 1],
    ['a line that cannot be read', '- Ladders decode', 1],
    ['a bench that does not exist', '- Fast — bench/nowhere.ts', 1],
    ['no claim at all', '# Claims', 1],
  ])('%s', (_name, text, problems) => {
    expect(findUnprovenClaims(text, RAN, ROOT)).toHaveLength(problems);
  });
});
