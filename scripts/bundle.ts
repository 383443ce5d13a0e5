/**
 * Bundles each service that has a `main.ts` into one file, `dist/<service>/main.mjs`, with the static files it serves beside it.
 * Production runs these. Exit codes: 0 written, 1 failed.
 */
import { cpSync, existsSync, globSync, mkdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { build } from 'esbuild';

const ROOT = new URL('..', import.meta.url).pathname;

/** CommonJS dependencies inside an ES module still call `require`. */
const BANNER =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";

async function bundle(main: string): Promise<void> {
  const service = basename(dirname(dirname(main)));
  const directory = join(ROOT, 'dist', service);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const result = await build({
    entryPoints: [join(ROOT, main)],
    outfile: join(directory, 'main.mjs'),
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    banner: { js: BANNER },
    sourcemap: 'linked',
    metafile: true,
    logLevel: 'warning',
  });
  const assets = join(ROOT, 'services/playlist-api/assets');
  const servesPage = Object.keys(result.metafile.inputs).some((input) =>
    input.startsWith('services/playlist-api/'),
  );
  if (servesPage && existsSync(assets)) {
    cpSync(assets, join(directory, 'assets'), { recursive: true });
    const player = join(ROOT, 'services/playlist-api/node_modules/hls.js/dist/hls.min.mjs');
    cpSync(player, join(directory, 'assets/page/hls.js'), { dereference: true });
  }
  const bytes = Object.values(result.metafile.outputs).reduce((sum, output) => sum + output.bytes, 0);
  process.stdout.write(`dist/${service}/main.mjs  ${(bytes / 1e6).toFixed(1)} MB with source map\n`);
}

await Promise.all(globSync('services/*/src/main.ts', { cwd: ROOT }).map(bundle));
