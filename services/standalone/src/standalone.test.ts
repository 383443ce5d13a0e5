import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

const MAIN = join(import.meta.dirname, 'main.ts');
const DEADLINE_MS = 30_000;

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-standalone-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the service to its end, or until `until` sees enough on standard output, when it is asked to stop. */
async function run(
  args: readonly string[],
  until?: (stdout: string) => boolean,
  path?: string,
): Promise<Ended> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...(path === undefined ? {} : { PATH: path }) },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
    if (until?.(stdout) === true) child.kill('SIGTERM');
  });
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const timer = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS);
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  clearTimeout(timer);
  return { code, stdout, stderr };
}

describe('standalone as a process', () => {
  test('--help prints every setting and exits with 0', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    for (const setting of [
      '--ingest.rtmp.port',
      'MILLRACE_HTTP_PORT',
      'MILLRACE_ADMIN_TOKEN_FILE',
      '--worker.ffmpeg.path',
    ]) {
      expect(stdout).toContain(setting);
    }
  });

  test('a bad configuration prints every problem in one message and exits with 2', async () => {
    const { code, stderr } = await run(['--http.port', '99999', '--nonsense', 'x', '--logLevel', 'loud']);
    expect(code).toBe(2);
    for (const problem of ['http.port', '--nonsense', 'logLevel']) expect(stderr).toContain(problem);
  });

  test('without ffmpeg it says what to install in one sentence and exits with 2', async () => {
    const args = [
      '--stateDirectory',
      directory,
      '--ingest.rtmp.port',
      '0',
      '--http.port',
      '0',
      '--admin.port',
      '0',
    ];
    const { code, stderr } = await run(
      [...args, '--worker.ffmpeg.path', '/nowhere/ffmpeg'],
      undefined,
      '/nowhere',
    );
    expect(code).toBe(2);
    expect(stderr).toMatch(/ffmpeg/);
    expect(
      stderr
        .trim()
        .split('\n')
        .filter((line) => !line.startsWith('{')),
    ).toHaveLength(1);
  });

  test('makes an admin token for its owner alone, keeps it, and never logs it', async () => {
    const args = [
      '--stateDirectory',
      join(directory, 'state'),
      '--ingest.rtmp.port',
      '0',
      '--http.port',
      '0',
    ];
    const start = (): Promise<Ended> =>
      run([...args, '--admin.port', '0', '--logLevel', 'debug', '--worker.ffmpeg.path', '/nowhere/ffmpeg']);
    const { stderr } = await start();
    const path = join(directory, 'state', 'admin-token');
    const token = readFileSync(path, 'utf8').trim();
    expect(token.length).toBeGreaterThanOrEqual(32);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory, 'state')).mode & 0o777).toBe(0o700);
    expect(stderr).not.toContain(token);
    await start();
    expect(readFileSync(path, 'utf8').trim()).toBe(token);
  });
});
