/**
 * Fails when what is generated differs from what is committed: the code of proto/ the reference tables of docs/, and the figures in the README.
 * Writes the generated files, so that what was forgotten only has to be committed. Exit codes: 0 none, 1 drift.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';

const ROOT = `${import.meta.dirname}/../`;
const GENERATED = ['packages/contracts/src/gen/**/*.ts', 'docs/reference/*.md', 'README.md'];

function digests(): Map<string, string> {
  const files = globSync(GENERATED, { cwd: ROOT });
  return new Map(
    files.map((file) => [
      file,
      createHash('sha256')
        .update(readFileSync(ROOT + file))
        .digest('hex'),
    ]),
  );
}

const before = digests();
execFileSync('scripts/generate', { cwd: ROOT, stdio: 'inherit' });
const after = digests();
const drifted = [...new Set([...before.keys(), ...after.keys()])].filter(
  (file) => before.get(file) !== after.get(file),
);
for (const file of drifted)
  process.stderr.write(`${file} was not what its source says; it is written anew, please commit it\n`);
process.stdout.write(`drift: ${after.size} generated files, ${drifted.length} differ\n`);
process.exitCode = drifted.length === 0 && after.size > 0 ? 0 : 1;
