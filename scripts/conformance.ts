import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findUnproven } from './claims.ts';
import type { ProvenTest } from './claims.ts';

/** `| id | rule | kept, partly or not yet | tests |`. */
const ROW = /^\| (?<id>[^|]+?) +\| (?<rule>[^|]+?) +\| (?<state>[^|]+?) +\| (?<tests>[^|]*?) *\|$/;
const HEAD = /^\| (?:id|-+) +\|/;
const STATE = /^(?:kept|partly: .+|not yet: .+)$/;
/** `path/of/file.ts: "the test's name"`, in backquotes. */
const TEST = /`(?<file>[^\s`:]+): "(?<name>.+?)"`/g;
const STRING = /'(?:[^'\\\n]|\\.)+'|"(?:[^"\\\n]|\\.)+"|`(?:[^`\\\n]|\\.)+`/g;
/** What `test.each` fills in. */
const PLACEHOLDER = /\$[\w.]+|%[a-z]/g;

interface NamedTest {
  readonly file: string;
  readonly name: string;
}

/**
 * Lists the rules of `docs/conformance.md` that nothing proves: a row that cannot be read, a rule that is kept or partly kept
 * without a test, a named test that did not run or did not pass.
 */
export function findUnprovenRules(text: string, tests: readonly ProvenTest[]): readonly string[] {
  const { named, problems } = readRows(text);
  return [...problems, ...named.flatMap(({ file, name }) => findUnproven(file, name, tests))];
}

/** The same without a run: lists the named files that are not there, and those that hold no such test. */
export function findMissingTests(text: string, root: string): readonly string[] {
  const { named, problems } = readRows(text);
  const sources = new Map<string, string | undefined>();
  const sourceOf = (file: string): string | undefined => {
    const path = join(root, file);
    if (!sources.has(file)) sources.set(file, existsSync(path) ? readFileSync(path, 'utf8') : undefined);
    return sources.get(file);
  };
  const missing = named.flatMap(({ file, name }) => {
    const source = sourceOf(file);
    if (source === undefined) return [`${file} does not exist`];
    return holdsTest(source, name) ? [] : [`${file} has no test "${name}"`];
  });
  return [...problems, ...missing];
}

function readRows(text: string): { readonly named: readonly NamedTest[]; readonly problems: string[] } {
  const named: NamedTest[] = [];
  const problems: string[] = [];
  const ids = new Set<string>();
  for (const line of text.split('\n')) {
    if (!line.startsWith('| ') || HEAD.test(line)) continue;
    const { id = '', state = '', tests = '' } = ROW.exec(line)?.groups ?? {};
    const found = [...tests.matchAll(TEST)].map(({ groups }) => groups as unknown as NamedTest);
    if (!STATE.test(state)) problems.push(`cannot be read: ${line}`);
    else if (found.length === 0 && !state.startsWith('not yet')) problems.push(`names no test: ${id}`);
    if (ids.has(id)) problems.push(`there are two rows: ${id}`);
    ids.add(id);
    named.push(...found);
  }
  if (ids.size === 0) problems.push('no rule is listed');
  return { named, problems };
}

/** True for a file with that very string, or with one that `test.each` makes it of. */
function holdsTest(source: string, name: string): boolean {
  for (const [quoted] of source.matchAll(STRING)) {
    const title = quoted.slice(1, -1).replaceAll(/\\(.)/g, '$1');
    if (title === name) return true;
    const literals = title.split(PLACEHOLDER);
    // A title of nothing but placeholders would hold every name.
    if (literals.length < 2 || literals.join('').trim() === '') continue;
    if (new RegExp(`^${literals.map(escape).join('.+')}$`).test(name)) return true;
  }
  return false;
}

function escape(literal: string): string {
  return literal.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`);
}
