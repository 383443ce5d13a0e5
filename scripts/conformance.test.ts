import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { findMissingTests, findUnprovenRules } from './conformance.ts';

const ROOT = `${import.meta.dirname}/../`;
const HERE = 'scripts/conformance.test.ts';
const RAN = [
  { file: `/x/${HERE}`, name: 'conformance H-1 is kept', hasPassed: true },
  { file: `/x/${HERE}`, name: 'conformance H-2 is kept', hasPassed: false },
];

const row = (state: string, name?: string, file = HERE): string =>
  `| H-1 | a rule (1.2) | ${state} | ${name === undefined ? '' : `\`${file}: "${name}"\``} |`;

describe('a conformance row', () => {
  test.each([
    ['with a test that passed', row('kept', 'H-1 is kept'), 0],
    ['with a test that failed', row('kept', 'H-2 is kept'), 1],
    ['with a test that did not run', row('kept', 'H-3 is kept'), 1],
    ['with a test of another file', row('kept', 'H-1 is kept', 'scripts/claims.test.ts'), 1],
    ['that is kept without a test', row('kept'), 1],
    ['that is partly kept and says what is missing', row('partly: no map', 'H-1 is kept'), 0],
    ['that is partly kept without a word', row('partly', 'H-1 is kept'), 1],
    ['that is not kept yet', row('not yet: later'), 0],
    ['that is aligned with the others', row('kept    ', 'H-1 is kept').replace('H-1', 'H-1 '), 0],
    ['that is there twice', `${row('not yet: later')}\n${row('not yet: later')}`, 1],
    ['that cannot be read', '| H-1 | a rule | kept |', 1],
    ['under a heading, and no other', '| id | rule | state | tests |\n| --- | --- | --- | --- |', 1],
  ])('%s', (_name, text, problems) => {
    expect(findUnprovenRules(text, RAN)).toHaveLength(problems);
  });

  test.each([
    ['names a test by its title', 'names a test by its title', HERE, 0],
    ['names a test that is made of a template', 'H-4 notices something', HERE, 0],
    ['names a test that nobody wrote', ['nobody', 'wrote', 'it'].join(' '), HERE, 1],
    ['names a file that is not there', 'anything', 'scripts/nowhere.test.ts', 1],
  ])('%s', (_name, title, file, problems) => {
    expect(findMissingTests(row('kept', title, file), ROOT)).toHaveLength(problems);
  });

  test.each(['H-4'])('%s notices something', (rule) => {
    expect(findMissingTests(row('kept', `${rule} notices something`), ROOT)).toEqual([]);
  });
});

test('every row of docs/conformance.md names tests that are there', () => {
  expect(findMissingTests(readFileSync(`${ROOT}docs/conformance.md`, 'utf8'), ROOT)).toEqual([]);
});
