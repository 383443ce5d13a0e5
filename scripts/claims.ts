import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** A test that ran, as Jest reports it. */
export interface ProvenTest {
  readonly file: string;
  readonly name: string;
  readonly hasPassed: boolean;
}

/** `- what is claimed — path/of/file.ts: "the test's name"`; a bench is named by its path alone. */
const CLAIM = /^- (?<claim>.+) — `?(?<file>[^\s`:]+)`?(?:: "(?<test>.+)")?$/;

/**
 * Lists the claims of `e2e/CLAIMS.md` that nothing proves: the named test does not exist, did not run, or failed; the named
 * bench is not there; or the line cannot be read.
 */
export function findUnprovenClaims(
  text: string,
  tests: readonly ProvenTest[],
  root: string,
): readonly string[] {
  const problems: string[] = [];
  let claims = 0;
  for (const line of text.split('\n')) {
    if (!line.startsWith('- ')) continue;
    claims += 1;
    const match = CLAIM.exec(line)?.groups;
    const file = match?.['file'];
    const test = match?.['test'];
    if (match === undefined || file === undefined) {
      problems.push(`cannot be read: ${line}`);
    } else if (file.startsWith('bench/')) {
      if (!existsSync(join(root, file))) problems.push(`${file} does not exist: ${line}`);
    } else if (test === undefined) {
      problems.push(`names no test: ${line}`);
    } else {
      problems.push(...findUnproven(file, test, tests));
    }
  }
  if (claims === 0) problems.push('no claim is listed');
  return problems;
}

/** Says what is wrong with the proof by a test: no test of that file and name ran, or one did not pass. */
export function findUnproven(file: string, test: string, tests: readonly ProvenTest[]): readonly string[] {
  const named = tests.filter((ran) => ran.file.endsWith(`/${file}`) && ran.name.includes(test));
  if (named.length === 0) return [`${file} has no test "${test}" that ran`];
  return named.every((ran) => ran.hasPassed) ? [] : [`${file}: "${test}" did not pass`];
}
