import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';

let directory = '';

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-claim-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** A process that claims the directory, and goes on until it is killed. */
async function claim(): Promise<{ readonly isGranted: boolean; readonly kill: () => Promise<unknown> }> {
  const program = `
    import { claimDirectory } from ${JSON.stringify(join(import.meta.dirname, 'directory-claim.ts'))};
    console.log(await claimDirectory(${JSON.stringify(directory)}));
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [answer] = (await once(child.stdout, 'data')) as [Buffer];
  const kill = (): Promise<unknown> => {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    return ended;
  };
  return { isGranted: answer.toString() === 'true\n', kill };
}

test('a directory is one process’s until that is gone, however it went', async () => {
  const first = await claim();
  const second = await claim();
  await second.kill();
  await first.kill();
  const third = await claim();
  await third.kill();
  expect([first.isGranted, second.isGranted, third.isGranted]).toEqual([true, false, true]);
});
