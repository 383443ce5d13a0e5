/**
 * Bundles each service that has a `main.ts` into one file, `dist/<service>/service.mjs`, with the static files it serves and a
 * launcher, `main.mjs`, beside it. Production runs the launcher. Exit codes: 0 written, 1 failed.
 */
import { cpSync, existsSync, globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { build } from 'esbuild';

const ROOT = `${import.meta.dirname}/../`;

/** CommonJS dependencies inside an ES module still call `require`. */
const BANNER =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";

/**
 * What has to be set before the service is loaded. V8's compile cache only serves what is loaded after it was switched on. Node
 * reads sockets and pipes into fresh 64 KiB buffers, for each of which V8 moves its next full collection nearer: with the heap of
 * one live session (20 MB) that is one every 2 s and a third of our CPU, unless the heap may grow further in between.
 */
const LAUNCHER = `import { enableCompileCache } from 'node:module';
import { setFlagsFromString } from 'node:v8';
enableCompileCache();
setFlagsFromString('--heap-growing-percent=200');
await import('./service.mjs');
`;

async function bundle(main: string): Promise<void> {
  const service = basename(dirname(dirname(main)));
  const directory = join(ROOT, 'dist', service);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const result = await build({
    entryPoints: [join(ROOT, main)],
    outfile: join(directory, 'service.mjs'),
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    banner: { js: BANNER },
    sourcemap: 'linked',
    metafile: true,
    logLevel: 'warning',
  });
  writeFileSync(join(directory, 'main.mjs'), LAUNCHER);
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
  process.stdout.write(`dist/${service}/service.mjs  ${(bytes / 1e6).toFixed(1)} MB with source map\n`);
}

await Promise.all(globSync('services/*/src/main.ts', { cwd: ROOT }).map(bundle));
