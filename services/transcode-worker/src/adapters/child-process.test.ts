import { expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { PipedChild } from './child-process.ts';
import { findDeathLauncher } from './death-launcher.ts';

function startShell(script: string, onOutput: (index: number, chunk: Buffer) => void = () => {}): PipedChild {
  return PipedChild.start({
    command: ['sh', '-c', script],
    outputs: 2,
    onOutput,
    sendSignal: (pid, signal) => process.kill(pid, signal),
  });
}

test('input goes in, each output comes out of its own pipe, the end of input ends it', async () => {
  const out = ['', ''];
  const child = startShell('read line; echo "$line" >&3; echo two >&4', (index, chunk) => {
    out[index] += chunk.toString();
  });
  child.write([Buffer.from('one'), Buffer.from('\n')]);
  child.end();
  expect(await child.exited).toMatchObject({ code: 0, signal: null });
  expect(out).toEqual(['one\n', 'two\n']);
});

test('of what it says on standard error the end is kept', async () => {
  const child = startShell('i=0; while [ $i -lt 500 ]; do echo "line $i" >&2; i=$((i+1)); done; exit 3');
  const { code, stderrTail } = await child.exited;
  expect(code).toBe(3);
  expect(stderrTail.length).toBe(1024);
  expect(stderrTail.endsWith('line 499\n')).toBe(true);
});

test('one that ignores signals is killed, and so is one that is stopped', async () => {
  const ready = Promise.withResolvers<void>();
  const stubborn = startShell("trap '' TERM; echo ready >&3; while :; do read line || sleep 1; done", () =>
    ready.resolve(),
  );
  await ready.promise;
  stubborn.kill();
  expect(await stubborn.exited).toMatchObject({ signal: 'SIGKILL' });
  const stopped = startShell('kill -STOP $$; echo never');
  stopped.kill();
  expect(await stopped.exited).toMatchObject({ signal: 'SIGKILL' });
});

test('writing to one that is gone has no effect', async () => {
  const child = startShell('exit 0');
  await child.exited;
  child.write([Buffer.alloc(1024 * 1024)]);
  await child.drained();
  expect(child.queuedBytes).toBe(0);
});

test.each([
  { name: 'the child of a parent that is killed does not outlive it', isStopped: false },
  { name: 'nor does one that is stopped', isStopped: true },
])(
  '$name',
  async ({ isStopped }) => {
    const launcher = isStopped ? await findDeathLauncher() : [];
    const module = fileURLToPath(new URL('./child-process.ts', import.meta.url));
    const program = `
    import { PipedChild } from ${JSON.stringify(module)};
    const child = PipedChild.start({
      command: ${JSON.stringify([...launcher, 'cat'])},
      outputs: 1,
      onOutput: () => {},
      sendSignal: process.kill,
    });
    console.log(child.pid);
    setInterval(() => {}, 1000);`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [chunk] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(chunk.toString());
    if (isStopped) {
      await until(() => commandOf(pid) === 'cat');
      process.kill(pid, 'SIGSTOP');
    }
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await once(parent, 'close');
    await until(() => !isAlive(pid));
    expect(isAlive(pid)).toBe(false);
  },
  15_000,
);

test('one that finds no file descriptors left is one that has exited, and nothing else ends', async () => {
  const module = fileURLToPath(new URL('./child-process.ts', import.meta.url));
  const program = `
    import { openSync } from 'node:fs';
    import { PipedChild } from ${JSON.stringify(module)};
    try {
      for (;;) openSync('/dev/null');
    } catch {}
    const child = PipedChild.start({
      command: ['cat'],
      outputs: 1,
      onOutput: () => {},
      sendSignal: process.kill,
    });
    child.write([Buffer.from('input')]);
    await child.drained();
    child.end();
    child.kill();
    console.log(JSON.stringify(await child.exited));`;
  const parent = spawn(
    'sh',
    ['-c', 'ulimit -n 64; exec "$0" --input-type=module -e "$1"', process.execPath, program],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let said = '';
  for (const stream of [parent.stdout, parent.stderr])
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  expect(await once(parent, 'close')).toEqual([0, null]);
  expect(said).toContain('{"code":null,"signal":null,"stderrTail":"spawn cat EMFILE"}');
}, 15_000);

test('without the program that launches children so, they are started as they are', async () => {
  expect(await findDeathLauncher('/nonexistent/setpriv')).toEqual([]);
  expect(await findDeathLauncher('false')).toEqual([]);
});

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!condition() && performance.now() < deadline) await new Promise((resolve) => setImmediate(resolve));
}

/** The program that a process runs now. */
function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
