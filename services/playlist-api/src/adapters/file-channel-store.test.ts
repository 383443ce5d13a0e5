import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { channelSettingsSchema } from '../domain/channel.ts';
import { describeChannelStore } from '../domain/channel-store.contract.ts';
import { FileChannelStore } from './file-channel-store.ts';

let directory: string;
let files = 0;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-channels-'));
});

afterAll(() => rm(directory, { recursive: true }));

function freshPath(): string {
  files += 1;
  return join(directory, `channels-${files}.json`);
}

const NEWS = {
  name: 'news',
  settings: channelSettingsSchema.parse({ ladder: ['source'], segmentDuration: '1001/500' }),
  origin: 'api',
  createdAtMs: 1,
  updatedAtMs: 1,
} as const;

describeChannelStore('file', () => FileChannelStore.open(freshPath()));

describe('channel file', () => {
  test('its directory is made where there is none, for its owner alone, or refused in one sentence', async () => {
    const state = join(directory, 'deep', 'state');
    const store = await FileChannelStore.open(join(state, 'channels.json'));
    await store.createChannel(NEWS);
    expect((await stat(state)).mode & 0o777).toBe(0o700);
    const beneathFile = join(state, 'channels.json', 'state', 'channels.json');
    await expect(FileChannelStore.open(beneathFile)).rejects.toMatchObject({ id: 'PLAYLIST_API_STATE_FILE' });
  });

  test('what was stored is there after a restart, in a file that only its owner reads', async () => {
    const path = freshPath();
    const store = await FileChannelStore.open(path);
    const key = {
      id: 'k',
      channel: 'news',
      sha256: 'a'.repeat(64),
      role: 'backup',
      label: 'van',
      origin: 'api',
    } as const;
    await store.createChannel(NEWS);
    await store.putStreamKey({ ...key, createdAtMs: 1, expiresAtMs: 2 });
    await store.putLadder({ name: 'small', rungs: ['source'], updatedAtMs: 3 });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const again = await FileChannelStore.open(path);
    expect(await again.getChannel('news')).toEqual(NEWS);
    expect(await again.findStreamKey(key.sha256)).toEqual({ ...key, createdAtMs: 1, expiresAtMs: 2 });
    expect(await again.getLadder('small')).toEqual({ name: 'small', rungs: ['source'], updatedAtMs: 3 });
  });

  test('changes at the same time are all written, and no temporary file stays', async () => {
    const path = freshPath();
    const store = await FileChannelStore.open(path);
    await Promise.all(
      Array.from({ length: 20 }, (_, index) => store.createChannel({ ...NEWS, name: `c${index}` })),
    );
    const again = await FileChannelStore.open(path);
    expect(await again.listChannels({ limit: 100 })).toHaveLength(20);
    expect((await readdir(directory)).filter((name) => name.endsWith('.new'))).toEqual([]);
  });

  test.each([
    ['half a file', '{"version":1,"chan'],
    ['another version', '{"version":2,"channels":[],"streamKeys":[],"ladders":[]}'],
    ['no channels', '{"version":1}'],
    ['a list', '[]'],
  ])('%s is refused with its path and is left as it is', async (_name, text) => {
    const path = freshPath();
    await writeFile(path, text);
    await expect(FileChannelStore.open(path)).rejects.toMatchObject({
      id: 'PLAYLIST_API_STATE_FILE',
      message: expect.stringContaining(path),
    });
    expect(await readFile(path, 'utf8')).toBe(text);
  });

  test('a change that cannot be written is refused', async () => {
    const missing = join(directory, 'missing');
    const store = await FileChannelStore.open(join(missing, 'channels.json'));
    await rm(missing, { recursive: true });
    await expect(store.createChannel(NEWS)).rejects.toMatchObject({ id: 'PLAYLIST_API_STATE_FILE' });
  });
});
