/**
 * Fails when a file imports what its layer may not (ARCHITECTURE.md, "Layers"), or reaches into another package past its `index`.
 * Prints each offence; exit codes: 0 none, 1 some.
 */
import { globSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';

const ROOT = `${import.meta.dirname}/../`;

/** What each package may import of ours; `testkit` may be imported by every test. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  media: [],
  rtmp: ['media'],
  contracts: ['media'],
  runtime: ['contracts', 'media'],
  testkit: ['contracts', 'media', 'rtmp', 'runtime'],
  ingest: ['contracts', 'media', 'rtmp', 'runtime'],
  'transcode-worker': ['contracts', 'media', 'runtime'],
  packager: ['contracts', 'media', 'runtime'],
  'playlist-api': ['contracts', 'media', 'runtime'],
  standalone: ['contracts', 'media', 'runtime', 'ingest', 'transcode-worker', 'packager', 'playlist-api'],
  e2e: [],
  bench: ['media', 'rtmp'],
};

/** The pure layers do no I/O: none of Node's modules that touch the world. */
const IMPURE_MODULES =
  /^node:(fs|net|http|http2|https|child_process|dgram|tls|worker_threads|process|timers.*|os)$/;
const PURE_PACKAGES = new Set(['media', 'rtmp']);

const IMPORT = /(?:from|import)\s*\(?\s*'([^']+)'/g;

function packageOf(path: string): string | undefined {
  return /^(?:packages|services)\/([^/]+)\/src\//.exec(path)?.[1] ?? /^(e2e|bench)\//.exec(path)?.[1];
}

function offencesIn(path: string): string[] {
  const owner = packageOf(path);
  const allowed = owner === undefined ? undefined : MAY_IMPORT[owner];
  if (owner === undefined || allowed === undefined) return [`${path}: belongs to no known layer`];
  const isTest = /\.(test|contract|e2e)\.ts$|\/(testdata|testing)\//.test(path);
  const offences: string[] = [];
  const text = readFileSync(ROOT + path, 'utf8');
  for (const [, specifier = ''] of text.matchAll(IMPORT)) {
    const [, target = '', deep] = /^@millrace\/([^/]+)(\/.+)?$/.exec(specifier) ?? [];
    if (target !== '' && !allowed.includes(target) && !(isTest && target === 'testkit')) {
      offences.push(`${path}: ${owner} may not import ${specifier}`);
    }
    // Contract suites bring Jest with them, so they are not in the index.
    const isContract = isTest && deep === '/contract';
    if (deep !== undefined && !isContract)
      offences.push(`${path}: deep import ${specifier}; import from the package's index`);
    if (/\.\.\/(packages|services)\//.test(specifier))
      offences.push(`${path}: ${specifier} leaves its package`);
    if (PURE_PACKAGES.has(owner) && !isTest && IMPURE_MODULES.test(specifier)) {
      offences.push(`${path}: ${owner} is pure and may not import ${specifier}`);
    }
  }
  const touchesProcess = /\bprocess\.(env|argv|exit|on|stdout|stderr|stdin|kill)\b/.test(text);
  const mayTouchProcess =
    /\/main\.ts$|\/run-service\.ts$/.test(path) || isTest || owner === 'e2e' || owner === 'bench';
  if (touchesProcess && !mayTouchProcess) offences.push(`${path}: only main.ts touches process`);
  return offences;
}

const files = globSync(['packages/*/src/**/*.ts', 'services/*/src/**/*.ts', 'e2e/**/*.ts', 'bench/**/*.ts'], {
  cwd: ROOT,
})
  .map((path) => relative('.', path))
  .filter((path) => !path.includes('node_modules') && !path.includes('/gen/') && !path.includes('/dist/'));
const offences = files.flatMap(offencesIn);
for (const offence of offences) process.stderr.write(`${offence}\n`);
process.stdout.write(`layers: ${files.length} files, ${offences.length} offences\n`);
process.exitCode = offences.length === 0 && files.length > 0 ? 0 : 1;
