import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** Clones the repository as a new user would, with what is not committed yet; returns where to. */
export function makeClone(directory: string): string {
  execFileSync('git', ['clone', '--quiet', ROOT, directory]);
  const changed = execFileSync('git', ['ls-files', '--modified', '--others', '--exclude-standard'], {
    cwd: ROOT,
  });
  for (const path of changed.toString().split('\n')) {
    if (path === '' || !existsSync(join(ROOT, path))) continue;
    execFileSync('cp', ['--parents', path, directory], { cwd: ROOT });
  }
  return directory;
}
