import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

const ROOT = `${import.meta.dirname}/../`;
const NOBODY = 65_534;
const START_DEADLINE_MS = 180_000;
const STOP_DEADLINE_MS = 30_000;

let directory = '';
let clone = '';

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-up-'));
  // A space, as people's folders have them.
  clone = join(directory, 'mill race');
  execFileSync('git', ['clone', '--quiet', ROOT, clone]);
  // What is not committed yet is tried as well.
  const changed = execFileSync('git', ['ls-files', '--modified', '--others', '--exclude-standard'], {
    cwd: ROOT,
  });
  for (const path of changed.toString().split('\n')) {
    if (path === '' || !existsSync(join(ROOT, path))) continue;
    execFileSync('cp', ['--parents', path, clone], { cwd: ROOT });
  }
});

afterAll(() => {
  for (const pid of processesOf(directory)) process.kill(pid, 'SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

/** A run of `./scripts/up`, on a terminal of its own. */
interface Run {
  readonly terminal: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<number | null>;
}

/** Starts `./scripts/up` as a person does: in a terminal. */
function up(options: string, env: Readonly<Record<string, string>> = {}): Run {
  const terminal = spawn(
    'script',
    // exec: a shell that waits, as dash does, would die of the ctrl-C that is meant for the script.
    ['--quiet', '--return', '--command', `exec ./scripts/up ${options}`, '/dev/null'],
    {
      cwd: clone,
      env: { ...process.env, TMPDIR: temporary(), ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    },
  );
  let output = '';
  terminal.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  terminal.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => terminal.once('exit', resolve));
  return { terminal, output: () => output, ended };
}

async function until<T>(
  what: string,
  deadlineMs: number,
  look: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const deadline = AbortSignal.timeout(deadlineMs);
  while (!deadline.aborted) {
    const found = await look();
    if (found !== undefined) return found;
    await delay(50);
  }
  throw new Error(`${what}: not in ${deadlineMs} ms`);
}

async function untilLive(run: Run): Promise<{ readonly http: string; readonly rtmpPort: number }> {
  return until(`live, but said: ${run.output()}`, START_DEADLINE_MS, () => {
    const http = /Watch\s+(http:\/\/[\d.:]+)\//.exec(run.output())?.[1];
    const rtmpPort = /OBS server\s+rtmp:\/\/[\d.]+:(\d+)\/live/.exec(run.output())?.[1];
    return http === undefined || rtmpPort === undefined ? undefined : { http, rtmpPort: Number(rtmpPort) };
  });
}

/** Processes that run from, or in, a directory. */
function processesOf(path: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .filter((entry) => {
      try {
        const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8');
        return command.includes(path) || readlinkSync(`/proc/${entry}/cwd`).startsWith(path);
      } catch {
        return false;
      }
    })
    .map(Number);
}

async function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** Nothing of a run is left: no process, no port, no temporary file. */
async function expectNothingLeft(ports: readonly number[]): Promise<void> {
  await until(`no process of ${clone}`, STOP_DEADLINE_MS, () =>
    processesOf(clone).length === 0 ? true : undefined,
  );
  for (const port of ports) expect(await isOpen(port)).toBe(false);
  expect(readdirSync(temporary()).filter((name) => name.startsWith('millrace-'))).toEqual([]);
}

/** Temporary files of the runs have a place of their own, so that nobody else's are taken for theirs. */
function temporary(): string {
  const path = join(directory, 'tmp');
  mkdirSync(path, { recursive: true });
  return path;
}

async function isPlayable(http: string): Promise<boolean> {
  const multivariant = await (await fetch(`${http}/play/demo/index.m3u8`)).text();
  const uri = multivariant.split('\n').find((line) => line !== '' && !line.startsWith('#'));
  const playlist = await (await fetch(new URL(uri ?? '', `${http}/play/demo/`))).text();
  return playlist.includes('#EXTINF');
}

/** Every command of the system but some, as a PATH. */
function pathWithout(name: string, ...without: readonly string[]): string {
  const folder = join(directory, name);
  mkdirSync(folder);
  for (const source of (process.env['PATH'] ?? '').split(':').toReversed()) {
    if (source.includes('node_modules') || !existsSync(source)) continue;
    for (const command of readdirSync(source)) {
      if (without.includes(command)) continue;
      rmSync(join(folder, command), { force: true });
      symlinkSync(join(source, command), join(folder, command));
    }
  }
  return folder;
}

describe('./scripts/up in a clean clone', () => {
  let key = '';

  test(
    'installs, is playable, says where everything is; ctrl-C ends everything',
    async () => {
      const run = up('--auto-ports');
      const { http, rtmpPort } = await untilLive(run);
      expect(await isPlayable(http)).toBe(true);
      for (const shown of ['OBS stream key', 'ts.m3u8', 'manifest.mpd', '/v1/', '/metrics']) {
        expect(run.output()).toContain(shown);
      }
      key = /OBS stream key\s+(\S+)/.exec(run.output())?.[1] ?? '';
      expect(key).not.toBe('');
      expect(statSync(join(clone, '.millrace')).mode & 0o777).toBe(0o700);
      run.terminal.stdin?.write('\x03');
      expect(await run.ended).toBe(0);
      await expectNothingLeft([rtmpPort, Number(new URL(http).port)]);
    },
    START_DEADLINE_MS + STOP_DEADLINE_MS,
  );

  test(
    'a second run keeps the stream key; SIGTERM ends everything',
    async () => {
      const run = up('--auto-ports');
      const { http, rtmpPort } = await untilLive(run);
      expect(run.output()).not.toContain('Installing');
      expect(run.output()).toContain(key);
      const [pid] = processesOf(clone).filter((one) =>
        readFileSync(`/proc/${one}/cmdline`, 'utf8').includes('scripts/up.ts'),
      );
      expect(pid).toBeDefined();
      process.kill(pid ?? 0, 'SIGTERM');
      expect(await run.ended).toBe(0);
      await expectNothingLeft([rtmpPort, Number(new URL(http).port)]);
    },
    START_DEADLINE_MS + STOP_DEADLINE_MS,
  );

  test(
    'without the demo it is ready at once; a closed terminal ends everything',
    async () => {
      const run = up('--auto-ports --no-demo');
      const { http, rtmpPort } = await untilLive(run);
      expect(run.output()).toContain('Millrace is ready');
      expect((await fetch(`${http}/play/demo/index.m3u8`)).status).toBe(404);
      run.terminal.kill('SIGKILL');
      await run.ended;
      await expectNothingLeft([rtmpPort, Number(new URL(http).port)]);
    },
    START_DEADLINE_MS + STOP_DEADLINE_MS,
  );

  test(
    'a taken port is named in one sentence, exit code 2, nothing left running',
    async () => {
      const server = createServer();
      const isTaken = await new Promise<boolean>((resolve) => {
        server.once('error', () => resolve(true));
        server.listen(1935, '127.0.0.1', () => resolve(true));
      });
      expect(isTaken).toBe(true);
      try {
        const run = up('');
        expect(await run.ended).toBe(2);
        expect(run.output()).toMatch(
          /The RTMP port 127\.0\.0\.1:1935 is taken by another program: stop it or set another port\./,
        );
        await expectNothingLeft([]);
      } finally {
        await new Promise((resolve) => server.close(resolve));
      }
    },
    START_DEADLINE_MS,
  );

  test(
    'without ffmpeg and without root it prints the one line to run, exit code 2',
    async () => {
      const path = pathWithout('no-ffmpeg', 'ffmpeg', 'ffprobe', 'sudo');
      execFileSync('chmod', ['-R', 'a+rX', directory]);
      const home = join(directory, 'home');
      mkdirSync(home);
      chmodSync(home, 0o777);
      const asNobody = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
      const run = spawn('./scripts/up', [], {
        cwd: clone,
        env: { PATH: path, HOME: home, TERM: 'dumb' },
        stdio: ['ignore', 'ignore', 'pipe'],
        ...asNobody,
      });
      let said = '';
      run.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
      const code = await new Promise((resolve) => run.once('exit', resolve));
      expect(said).toContain('sudo apt-get install -y ffmpeg');
      expect(code).toBe(2);
    },
    START_DEADLINE_MS,
  );

  test(
    'an ffmpeg without libx264 is named in one sentence, exit code 2',
    async () => {
      const path = pathWithout('poor-ffmpeg', 'ffmpeg');
      const real = execFileSync('sh', ['-c', 'command -v ffmpeg'], { encoding: 'utf8' }).trim();
      writeFileSync(join(path, 'ffmpeg'), `#!/bin/sh\n${real} "$@" | grep -v libx264\n`, { mode: 0o755 });
      const run = up('', { PATH: path });
      expect(await run.ended).toBe(2);
      expect(run.output()).toMatch(/has no libx264 encoder: please install one that has/);
    },
    START_DEADLINE_MS,
  );
});
