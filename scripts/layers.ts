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
  bench: ['contracts', 'media', 'rtmp', 'runtime'],
};

/** The pure layers do no I/O: none of Node's modules that touch the world. */
const IMPURE_MODULES =
  /^node:(fs|net|http|http2|https|child_process|dgram|tls|worker_threads|process|timers.*|os)$/;
const PURE_PACKAGES = new Set(['media', 'rtmp']);

/** The global by a member or whole, or the module that is the same object; not the word in a sentence. */
const TOUCHES_PROCESS =
  /(?<![\w.'/-])(?:globalThis\.)?process(?:\??\.[a-z]|\[)|[=(,]\s*(?:globalThis\.)?process\s*[;,)]|'(?:node:)?process'/i;

const IMPORT = /(?:from|import)\s*\(?\s*'([^']+)'/g;

/** The package, or the folder beside the packages, that a file belongs to. */
function packageOf(path: string): string | undefined {
  return /^(?:packages|services)\/([^/]+)\/src\//.exec(path)?.[1] ?? /^(e2e|bench)\//.exec(path)?.[1];
}

/** Says what a file does that its layer may not; the path is relative to the repository. */
export function findLayerOffences(path: string, text: string): readonly string[] {
  const owner = packageOf(path);
  const allowed = owner === undefined ? undefined : MAY_IMPORT[owner];
  if (owner === undefined || allowed === undefined) return [`${path}: belongs to no known layer`];
  const isTest = /\.(test|contract|e2e)\.ts$|\/(testdata|testing)\//.test(path);
  const offences: string[] = [];
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
  const mayTouchProcess =
    /\/main\.ts$|\/run-service\.ts$/.test(path) || isTest || owner === 'e2e' || owner === 'bench';
  if (TOUCHES_PROCESS.test(text) && !mayTouchProcess) offences.push(`${path}: only main.ts touches process`);
  return offences;
}
