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
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { makeClone } from './verbs/clean-clone.ts';

const NOBODY = 65_534;
/** An address of this machine that a server on 127.0.0.1 does not answer at. */
const OTHER_ADDRESS = '127.0.0.2';
const START_DEADLINE_MS = 180_000;
const STOP_DEADLINE_MS = 30_000;

let directory = '';
let clone = '';

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-up-'));
  // A space, as people's folders have them.
  clone = makeClone(join(directory, 'mill race'));
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
function up(options: string, env: Readonly<Record<string, string>> = {}, prefix = ''): Run {
  const terminal = spawn(
    'script',
    // exec: a shell that waits, as dash does, would die of the ctrl-C that is meant for the script.
    ['--quiet', '--return', '--command', `exec ${prefix} ./scripts/up ${options}`, '/dev/null'],
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

async function isOpen(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
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

/** The first cores that this process may run on, as taskset lists them. */
function firstCores(count: number): string {
  const allowed = /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  const cores = allowed.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
  return cores.slice(0, count).join(',');
}

/** Files below a folder that hold a text. */
function filesWith(folder: string, text: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).includes(text));
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
      const token = readFileSync(join(clone, '.millrace/admin-token'), 'utf8').trim();
      const unlocked = await fetch(`${http}/v1/channels`, { headers: { authorization: `Bearer ${token}` } });
      expect(unlocked.status).toBe(200);
      // By the script, in one line; what it starts writes to the same terminal.
      expect(run.output().split(token)).toHaveLength(2);
      expect(run.output()).toMatch(/API\s.*admin token/);
      expect(filesWith(join(clone, '.millrace'), token)).toEqual([join(clone, '.millrace/admin-token')]);
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
      // Nobody but this machine gets in by default: 127.0.0.2 is one of its addresses as well.
      for (const port of [rtmpPort, Number(new URL(http).port)]) {
        expect(await isOpen(port)).toBe(true);
        expect(await isOpen(port, OTHER_ADDRESS)).toBe(false);
      }
      run.terminal.kill('SIGKILL');
      await run.ended;
      await expectNothingLeft([rtmpPort, Number(new URL(http).port)]);
    },
    START_DEADLINE_MS + STOP_DEADLINE_MS,
  );

  test(
    '--lan listens on all addresses and prints those of the network',
    async () => {
      const run = up('--auto-ports --no-demo --lan');
      const { http, rtmpPort } = await untilLive(run);
      const { hostname, port } = new URL(http);
      const network = Object.values(networkInterfaces())
        .flat()
        .flatMap((address) => (address?.family === 'IPv4' && !address.internal ? [address.address] : []));
      expect(network.length === 0 ? ['127.0.0.1'] : network).toContain(hostname);
      for (const shown of [`rtmp://${hostname}:${rtmpPort}/live`, `${http}/play/demo/index.m3u8`]) {
        expect(run.output()).toContain(shown);
      }
      for (const host of ['127.0.0.1', OTHER_ADDRESS, ...network]) {
        expect(await isOpen(rtmpPort, host)).toBe(true);
        expect(await isOpen(Number(port), host)).toBe(true);
      }
      run.terminal.stdin?.write('\x03');
      expect(await run.ended).toBe(0);
      await expectNothingLeft([rtmpPort, Number(port)]);
    },
    START_DEADLINE_MS + STOP_DEADLINE_MS,
  );

  test(
    'below 4 cores it says that the demo has the two lower rungs, and so it has',
    async () => {
      const run = up('--auto-ports', {}, `taskset --cpu-list ${firstCores(3)}`);
      const { http, rtmpPort } = await untilLive(run);
      await until('the sentence', STOP_DEADLINE_MS, () =>
        /fewer than 4 cores: the demo channel has the two lower rungs \(480p, 360p\)/.test(run.output())
          ? true
          : undefined,
      );
      const multivariant = await (await fetch(`${http}/play/demo/index.m3u8`)).text();
      const sizes = [...multivariant.matchAll(/RESOLUTION=(\w+)/g)].map(([, size]) => size);
      expect(new Set(sizes)).toEqual(new Set(['854x480', '640x360']));
      run.terminal.stdin?.write('\x03');
      expect(await run.ended).toBe(0);
      await expectNothingLeft([rtmpPort, Number(new URL(http).port)]);
    },
    START_DEADLINE_MS + STOP_DEADLINE_MS,
  );

  test(
    'Millrace that is killed is said so at once, exit code 1, nothing left running',
    async () => {
      const run = up('--auto-ports');
      const { http, rtmpPort } = await untilLive(run);
      const [millrace, ...others] = processesOf(clone).filter((pid) =>
        readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('services/standalone/src/main.ts'),
      );
      expect(others).toEqual([]);
      process.kill(millrace ?? 0, 'SIGKILL');
      expect(await run.ended).toBe(1);
      expect(run.output()).toContain('Millrace has ended (SIGKILL).');
      await expectNothingLeft([rtmpPort, Number(new URL(http).port)]);
    },
    START_DEADLINE_MS + STOP_DEADLINE_MS,
  );

  test(
    'a test picture that cannot be published is said so at once, with the words of its publisher, exit code 1',
    async () => {
      const path = pathWithout('no-picture', 'ffmpeg');
      const real = execFileSync('sh', ['-c', 'command -v ffmpeg'], { encoding: 'utf8' }).trim();
      const script = `#!/bin/sh\ncase "$*" in *rtmp://*) echo "no such filter" >&2; exit 1;; esac\nexec ${real} "$@"\n`;
      writeFileSync(join(path, 'ffmpeg'), script, { mode: 0o755 });
      const run = up('--auto-ports', { PATH: path });
      expect(await run.ended).toBe(1);
      expect(run.output()).toMatch(
        /publisher of the test picture has ended \(exit code 1\)\.\s+no such filter/,
      );
      await expectNothingLeft([]);
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
    'what cannot be meant is refused in one sentence: an unknown option, and a state directory that is none, exit code 2',
    async () => {
      const unknown = up('--lann');
      expect(await unknown.ended).toBe(2);
      expect(unknown.output().trim()).toBe(
        '--lann is not an option; there are --distributed, --no-demo, --lan and --auto-ports.',
      );
      const state = join(clone, '.millrace');
      rmSync(state, { recursive: true, force: true });
      writeFileSync(state, '');
      const run = up('--auto-ports');
      expect(await run.ended).toBe(2);
      expect(run.output()).toContain(
        '.millrace cannot be made or is not yours (EEXIST): start as its owner, or delete it.',
      );
      rmSync(state);
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
