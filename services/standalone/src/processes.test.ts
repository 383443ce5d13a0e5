import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { ServiceProcess } from './testing/service-process.ts';
import { describeServiceProcess } from './testing/service-process-checks.ts';

jest.setTimeout(40_000);

const ADMIN_TOKEN = 'a-token-of-the-operator-01';
const STREAM_KEY = 'studio-key-0123456789abcdef';
const PORTS = ['--http.port', '0', '--admin.port', '0'];

let directory = '';
let running: ServiceProcess | undefined;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-process-'));
});
afterEach(async () => {
  await running?.stop();
  running = undefined;
  rmSync(directory, { recursive: true, force: true });
});

function start(
  service: string,
  args: readonly string[] = [],
  options: { readonly maxOpenFiles?: number } = {},
): ServiceProcess {
  // The token comes from a file, as a secret is mounted.
  const tokenFile = join(directory, 'token');
  writeFileSync(tokenFile, `${ADMIN_TOKEN}\n`);
  const env = { MILLRACE_ADMIN_TOKEN_FILE: tokenFile };
  const own = ['--ingest.rtmp.port', '0', '--stateDirectory', join(directory, 'state')];
  running = new ServiceProcess(service, [...PORTS, ...own, ...args], { env, ...options });
  return running;
}

describe('standalone as a process', () => {
  describeServiceProcess(
    'standalone',
    (args, options) => start('standalone', ['--worker.capacityUnits', '10', ...(args ?? [])], options),
    {
      maxFiles: 64 + 8192 + 8192 + 10 * 12,
      small: ['--ingest.limits.connections', '20', '--worker.capacityUnits', '1'],
      secret: ADMIN_TOKEN,
    },
  );
});

test.each(['ingest', 'transcode-worker', 'packager', 'playlist-api'])(
  '%s as a process of its own refuses to start at once where nobody says where Redis is',
  async (service) => {
    running = new ServiceProcess(service, [], { env: { MILLRACE_ADMIN_TOKEN: ADMIN_TOKEN } });
    expect(await running.ended()).toBe(2);
    expect(running.stderr).toMatch(/^ {2}- redis\.url: is not set: .*REDIS_URL\)$/m);
  },
);

describe('standalone with a channel file', () => {
  function channelFile(text: string): string[] {
    const path = join(directory, 'channels.yaml');
    writeFileSync(path, text);
    return ['--playlistApi.channelFiles', path];
  }

  test('has its channel and its key; the text of the key is nowhere', async () => {
    const text = `channels:\n  news:\n    streamKeys: [{ name: studio, key: ${STREAM_KEY}, role: backup }]\n`;
    const started = start('standalone', [...channelFile(text), '--logLevel', 'debug']);
    const { http } = await started.listening();
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    const channel = await fetch(`${http}/v1/channels/news`, { headers });
    expect(await channel.json()).toMatchObject({ name: 'news', origin: 'file' });
    const keys = await fetch(`${http}/v1/channels/news/stream-keys`, { headers });
    const listed = await keys.text();
    expect(JSON.parse(listed)).toEqual({
      items: [
        {
          id: 'file-studio',
          channel: 'news',
          role: 'backup',
          label: 'studio',
          origin: 'file',
          createdAt: expect.any(String),
        },
      ],
    });
    expect(await started.stop()).toBe(0);
    expect(started.log.map(({ msg }) => msg)).toContain('Channels declared from files');

    const sha256 = createHash('sha256').update(STREAM_KEY).digest('hex');
    const state = join(directory, 'state');
    const stored = readdirSync(state).map((name) => readFileSync(join(state, name), 'utf8'));
    // It is the hash that is kept, and only there.
    expect(stored.join('\n')).toContain(sha256);
    for (const said of [started.stderr, listed, ...stored]) expect(said).not.toContain(STREAM_KEY);
    for (const said of [started.stderr, listed]) expect(said).not.toContain(sha256);
  });

  test.each([
    [
      'a setting that is wrong',
      `channels: { news: { settings: { windowSegments: 2 }, streamKeys: [{ name: a, key: ${STREAM_KEY} }] } }`,
      'channels.news.settings.windowSegments: ',
    ],
    [
      'a key that two have',
      `channels: { a: { streamKeys: [{ name: a, key: ${STREAM_KEY} }] }, b: { streamKeys: [{ name: b, key: ${STREAM_KEY} }] } }`,
      'channels.b.streamKeys: b is the same key as a/a',
    ],
    ['no YAML', `channels: { news: { streamKeys: [{ name: a, key: ${STREAM_KEY} ] }`, 'line 1, column '],
    ['no text', '', 'EISDIR'],
  ])('%s is one message that names file and place, not the key; exit code 2', async (_, text, place) => {
    const [flag = '', path = ''] = channelFile(text);
    const file = text === '' ? directory : path;
    const ended = start('standalone', [flag, file]);
    expect(await ended.ended()).toBe(2);
    const messages = ended.stderr
      .trim()
      .split('\n')
      .filter((line) => !line.startsWith('{'));
    expect(messages.join('\n')).toContain(file);
    expect(messages.join('\n')).toContain(place);
    expect(ended.stderr).not.toContain(STREAM_KEY);
    expect(ended.stderr).not.toMatch(/\n {4}at /);
    // It is refused before anything is kept of it.
    expect(existsSync(join(directory, 'state', 'channels.json'))).toBe(false);
  });
});
