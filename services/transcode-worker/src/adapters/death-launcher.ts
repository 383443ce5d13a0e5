import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const CHECK_DEADLINE_MS = 5000;

/**
 * What to put in front of a command line so that the kernel kills the child when this process dies, in whatever state the
 * child is: one that is stopped (SIGSTOP) reads no end of its input.
 *
 * That is `setpriv` of util-linux 2.33 or newer, which becomes the child, so pid and pipes are the child's own. Empty where it
 * is missing or cannot do it (other systems, busybox).
 */
export async function findDeathLauncher(setpriv = 'setpriv'): Promise<readonly string[]> {
  const launcher = [setpriv, '--pdeathsig', 'KILL', '--'];
  try {
    await run(setpriv, [...launcher.slice(1), setpriv, '--version'], { timeout: CHECK_DEADLINE_MS });
    return launcher;
  } catch {
    return [];
  }
}
