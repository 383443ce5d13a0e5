import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { start, stopAll } from '../verbs/children.ts';
import { makeClone } from '../verbs/clean-clone.ts';
import { waitFor } from '../verbs/wait-for.ts';

const READY_DEADLINE_MS = 150_000;

const clone = makeClone(join(mkdtempSync(join(tmpdir(), 'millrace-up-')), 'mill race'));

afterAll(async () => {
  await stopAll();
  rmSync(dirname(clone), { recursive: true, force: true });
}, 60_000);

/** Ids and command lines of processes that work in the folder of the deployment. */
function processesOf(directory: string): readonly string[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
      return command.includes(directory) ? [`${name} ${command}`] : [];
    } catch {
      return [];
    }
  });
}

test('`up --distributed` is playable through the balancer, each service is there, and ctrl-C ends all of it', async () => {
  const directory = join(clone, '.millrace/distributed');
  const up = start('./scripts/up', ['--distributed', '--auto-ports'], { cwd: clone });
  await waitFor(
    'Millrace is live',
    () => {
      if (!up.isRunning()) throw new Error(`it ended: ${up.stderr()}`);
      return up.stdout().includes('Millrace is live');
    },
    READY_DEADLINE_MS,
  );
  const [, hls = ''] = /HLS {14}(\S+)/.exec(up.stdout()) ?? [];
  const playlist = await fetch(hls);
  expect(await playlist.text()).toContain('#EXT-X-STREAM-INF');
  const [, token = ''] = /admin token ([^)]+)/.exec(up.stdout()) ?? [];
  const sessions = await fetch(new URL('/v1/sessions', hls), {
    headers: { authorization: `Bearer ${token}` },
  });
  const { items } = (await sessions.json()) as { items: { ingest: string; packagers: string[] }[] };
  expect(items[0]).toMatchObject({ ingest: expect.stringMatching(/^ingest-[12]$/) });
  expect(items[0]?.packagers.toSorted()).toEqual(['packager-1', 'packager-2']);
  const running = processesOf(directory).join('\n');
  for (const name of ['ingest-2', 'worker-3', 'packager-2', 'playlist-api-2', 'haproxy', 'redis', 'kafka'])
    expect(running).toContain(name);

  // What a user kills to see what happens is started again.
  const idOfWorker = (): string | undefined =>
    processesOf(directory)
      .find((line) => line.includes('worker-1.yaml'))
      ?.split(' ')[0];
  const killed = idOfWorker();
  process.kill(Number(killed), 'SIGKILL');
  await waitFor('another worker-1', () => ![undefined, killed].includes(idOfWorker()), READY_DEADLINE_MS);
  expect(up.stdout()).toContain('worker-1 has ended and is started again');

  // Nobody else may work in its folder.
  const second = start('./scripts/up', ['--distributed', '--auto-ports'], { cwd: clone });
  expect((await second.ended).code).toBe(2);
  expect(second.stderr()).toContain('Millrace runs from this folder already');

  up.signal('SIGINT');
  expect((await up.ended).code).toBe(0);
  expect(processesOf(directory)).toEqual([]);
}, 240_000);
