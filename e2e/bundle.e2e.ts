import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

const ROOT = `${import.meta.dirname}/../`;
const ANY_PORT = ['--http.port', '0', '--admin.port', '0'];

let directory = '';

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-bundle-'));
  execFileSync(process.execPath, ['scripts/bundle.ts'], { cwd: ROOT, stdio: 'ignore' });
}, 120_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('pnpm bundle', () => {
  test.each(['standalone', 'playlist-api', 'packager'])('makes one file of %s', (service) => {
    expect(existsSync(join(ROOT, 'dist', service, 'service.mjs'))).toBe(true);
    const help = execFileSync(process.execPath, [join(ROOT, 'dist', service, 'main.mjs'), '--help'], {
      cwd: directory,
    });
    expect(help.toString()).toContain('--http.port');
  });

  test('the bundled standalone serves the page, the player and the API away from the sources', async () => {
    const args = [
      '--printAddresses',
      'true',
      '--stateDirectory',
      directory,
      '--ingest.rtmp.port',
      '0',
      ...ANY_PORT,
    ];
    const child = spawn(process.execPath, [join(ROOT, 'dist/standalone/main.mjs'), ...args], {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    try {
      const line = await new Promise<string>((resolve, reject) => {
        createInterface({ input: child.stdout }).once('line', resolve);
        void ended.then((code) => reject(new Error(`ended with ${String(code)}`)));
      });
      const { http, admin } = JSON.parse(line) as { http: string; admin: string };
      for (const path of ['/', '/page/hls.js', '/v1/openapi.json']) {
        expect([path, (await fetch(http + path)).status]).toEqual([path, 200]);
      }
      expect((await fetch(`${admin}/readyz`)).status).toBe(200);
    } finally {
      child.kill('SIGTERM');
    }
    expect(await ended).toBe(0);
  });

  test('a playlist-api of its own refuses to start without an admin token, in one sentence', () => {
    const main = join(ROOT, 'dist/playlist-api/main.mjs');
    const { MILLRACE_ADMIN_TOKEN: _token, ...env } = process.env;
    expect.assertions(2);
    try {
      const ofRedis = { REDIS_URL: 'redis://127.0.0.1:1' };
      const options = { cwd: directory, env: { ...env, ...ofRedis }, stdio: 'pipe' } as const;
      execFileSync(process.execPath, [main, ...ANY_PORT], options);
    } catch (error) {
      const { status, stderr } = error as { status: number; stderr: Buffer };
      expect(status).toBe(2);
      // Behind the settings, which are all listed first.
      const problems = stderr.toString().split('the configuration has 1 problem(s):')[1];
      expect(problems).toContain('MILLRACE_ADMIN_TOKEN');
    }
  });
});
