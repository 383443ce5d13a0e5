/**
 * Fails when a file imports what its layer may not (ARCHITECTURE.md, "Layers"), reaches into another package past its `index`, or
 * touches the process it runs in. Prints each offence; exit codes: 0 none, 1 some.
 */
import { globSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { findLayerOffences } from './layers.ts';

const ROOT = `${import.meta.dirname}/../`;

const files = globSync(['packages/*/src/**/*.ts', 'services/*/src/**/*.ts', 'e2e/**/*.ts', 'bench/**/*.ts'], {
  cwd: ROOT,
})
  .map((path) => relative('.', path))
  .filter((path) => !path.includes('node_modules') && !path.includes('/gen/') && !path.includes('/dist/'));
const offences = files.flatMap((path) => findLayerOffences(path, readFileSync(ROOT + path, 'utf8')));
for (const offence of offences) process.stderr.write(`${offence}\n`);
process.stdout.write(`layers: ${files.length} files, ${offences.length} offences\n`);
process.exitCode = offences.length === 0 && files.length > 0 ? 0 : 1;
