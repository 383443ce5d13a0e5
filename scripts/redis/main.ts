/**
 * A real Redis on loopback: what `scripts/redis/redis` runs.
 *
 *   up           start, print its URL, and leave it running
 *   down         end it
 *   status       its URL, or nothing
 *   --directory  where it is kept (default: .millrace/redis)
 *
 * Exit codes: 0 done, 1 it failed, 2 wrong usage.
 */
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { RedisServer, removeRunning, runningPort } from './redis-server.ts';

const ROOT = join(import.meta.dirname, '../..');

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { directory: { type: 'string', default: join(ROOT, '.millrace/redis') } },
  });
  const directory = resolve(values.directory);
  const port = await runningPort(directory);
  switch (positionals[0]) {
    case 'up':
      // What runs already is taken as it is.
      print(port ?? (await RedisServer.start({ directory, isDetached: true })).port);
      return 0;
    case 'down':
      await removeRunning(directory);
      return 0;
    case 'status':
      if (port !== undefined) print(port);
      return 0;
    default:
      process.stderr.write('usage: redis up | down | status [--directory D]\n');
      return 2;
  }
}

function print(port: number): void {
  process.stdout.write(`redis://127.0.0.1:${port}\n`);
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS') === true ? 2 : 1;
}
