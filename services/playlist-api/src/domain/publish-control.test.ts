import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { control } from '@millrace/contracts';
import { openChannelFile } from '../app.ts';
import { ADMIN_TOKEN, createFixture } from '../testing/fixture.ts';
import type { Fixture } from '../testing/fixture.ts';
import { hashStreamKey } from './stream-key.ts';

let fixture: Fixture;
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-control-'));
  fixture = await createFixture();
});

afterEach(async () => {
  await fixture.stop();
  await rm(directory, { recursive: true });
});

async function post(path: string, body: unknown): Promise<{ id: string; streamKey: string }> {
  const response = await fetch(`${fixture.url}/v1${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(201);
  return (await response.json()) as { id: string; streamKey: string };
}

async function authorize(
  streamKey: string,
  app = 'live',
): Promise<control.AuthorizePublishResponse['result']> {
  const { result } = await fixture.api.control.authorizePublish({
    app,
    streamKeySha256: Buffer.from(hashStreamKey(streamKey), 'hex'),
    remoteAddress: '192.0.2.1',
  });
  return result;
}

const REFUSED_KEY = { $case: 'refusal', value: control.PublishRefusal.KEY };

const keyEvents = (): unknown[] =>
  fixture.events.flatMap(({ event }) =>
    event.type === 'StreamKeyChanged' ? [[event.data.streamKeyId, event.data.change]] : [],
  );

async function untilEvents(count: number): Promise<void> {
  while (keyEvents().length < count) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('Control', () => {
  test("an unknown, a revoked and a deleted channel's key are refused alike", async () => {
    await post('/channels', { name: 'news' });
    const { id, streamKey } = await post('/channels/news/stream-keys', {});
    const other = await post('/channels/news/stream-keys', {});
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    await fetch(`${fixture.url}/v1/channels/news/stream-keys/${id}`, { method: 'DELETE', headers });
    expect(await authorize('no-such-key')).toEqual(REFUSED_KEY);
    expect(await authorize(streamKey)).toEqual(REFUSED_KEY);
    expect(await authorize(other.streamKey)).toMatchObject({ $case: 'grant' });
    await fetch(`${fixture.url}/v1/channels/news`, { method: 'DELETE', headers });
    expect(await authorize(other.streamKey)).toEqual(REFUSED_KEY);
    await untilEvents(4);
    expect(keyEvents()).toEqual([
      [id, 'created'],
      [other.id, 'created'],
      [id, 'revoked'],
      [other.id, 'revoked'],
    ]);
  });

  test('rotated without overlap the old key is refused at once', async () => {
    await post('/channels', { name: 'news' });
    const old = await post('/channels/news/stream-keys', {});
    const fresh = await post(`/channels/news/stream-keys/${old.id}/rotate`, {});
    expect(await authorize(old.streamKey)).toEqual(REFUSED_KEY);
    expect(await authorize(fresh.streamKey)).toMatchObject({
      $case: 'grant',
      value: { streamKeyId: fresh.id },
    });
    await untilEvents(4);
    expect(keyEvents().slice(1)).toEqual([
      [fresh.id, 'created'],
      [old.id, 'rotated'],
      [old.id, 'revoked'],
    ]);
  });

  test('rotated with an overlap both keys are taken until it is over, then the janitor revokes the old one', async () => {
    await post('/channels', { name: 'news' });
    const old = await post('/channels/news/stream-keys', {});
    const fresh = await post(`/channels/news/stream-keys/${old.id}/rotate`, { overlapSeconds: 60 });
    fixture.clock.advance(59_999);
    expect(await authorize(old.streamKey)).toMatchObject({ $case: 'grant' });
    fixture.clock.advance(1);
    expect(await authorize(old.streamKey)).toEqual(REFUSED_KEY);
    expect(await authorize(fresh.streamKey)).toMatchObject({ $case: 'grant' });
    await untilEvents(4);
    expect(keyEvents().at(-1)).toEqual([old.id, 'revoked']);
  });

  test('another app and a disabled channel are refused with their reason', async () => {
    await post('/channels', { name: 'news', settings: { isEnabled: false } });
    const { streamKey } = await post('/channels/news/stream-keys', {});
    expect(await authorize(streamKey)).toEqual({ $case: 'refusal', value: control.PublishRefusal.DISABLED });
    expect(await authorize(streamKey, 'vod')).toEqual({
      $case: 'refusal',
      value: control.PublishRefusal.APP,
    });
    expect(await fixture.registry.metrics()).toMatch(/publish_answers_total\{result="disabled".*\} 1/);
  });

  test('a channel file is declared at start; what has left it goes, what people made stays', async () => {
    const file = join(directory, 'channels.yaml');
    const start = async (): Promise<Fixture> =>
      createFixture({ channelFiles: [file] }, await openChannelFile(directory));
    const key = (name: string): string => `${name}-key-0123456789`;
    await writeFile(
      file,
      `channels: { news: { streamKeys: [{ name: a, key: ${key('a')} }, { name: b, key: ${key('b')} }] }, old: {} }`,
    );
    await fixture.stop();
    fixture = await start();
    expect(await authorize(key('a'))).toMatchObject({
      value: { streamKeyId: 'file-a', channel: { name: 'news' } },
    });
    const made = await post('/channels/news/stream-keys', {});
    await post('/channels', { name: 'mine' });

    await writeFile(
      file,
      `channels: { news: { settings: { windowSegments: 9 }, streamKeys: [{ name: b, key: ${key('b')} }] } }`,
    );
    await fixture.stop();
    fixture = await start();
    expect(await authorize(key('a'))).toEqual(REFUSED_KEY);
    expect(await authorize(key('b'))).toMatchObject({
      $case: 'grant',
      value: { channel: { windowSegments: 9 } },
    });
    expect(await authorize(made.streamKey)).toMatchObject({ $case: 'grant' });
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    const listed = await fetch(`${fixture.url}/v1/channels`, { headers });
    const { items } = (await listed.json()) as { items: { name: string }[] };
    expect(items.map(({ name }) => name)).toEqual(['mine', 'news']);
  });

  test('a channel that a file disables is told to whoever has it live; told once, and not for a new one', async () => {
    const file = join(directory, 'channels.yaml');
    const said = (): string[] =>
      fixture.events.flatMap(({ event }) =>
        event.type === 'ChannelChanged' ? [`${event.data.channel} ${event.data.change}`] : [],
      );
    const declared: string[][] = [];
    for (const text of [
      'channels: { news: {} }',
      'channels: { news: { settings: { isEnabled: false } }, old: { settings: { isEnabled: false } } }',
      'channels: { news: { settings: { isEnabled: false } }, old: { settings: { isEnabled: false } } }',
    ]) {
      await writeFile(file, text);
      await fixture.stop();
      fixture = await createFixture({ channelFiles: [file] }, await openChannelFile(directory));
      await post('/channels', { name: `mark-${declared.length}` });
      while (!said().includes(`mark-${declared.length} created`))
        await new Promise((resolve) => setTimeout(resolve, 5));
      declared.push(said().slice(0, -1));
    }
    expect(declared).toEqual([['news created'], ['news updated', 'news disabled', 'old created'], []]);
  });

  test('a channel file with problems stops the start with all of them', async () => {
    const file = join(directory, 'bad.yaml');
    await writeFile(file, 'channels: { A: {}, b: { settings: { ladder: nowhere } } }');
    await expect(createFixture({ channelFiles: [file, join(directory, 'none.yaml')] })).rejects.toMatchObject(
      {
        id: 'PLAYLIST_API_CHANNEL_FILE',
        message: expect.stringMatching(
          /2 problem\(s\)[^]*bad\.yaml: channels\.A[^]*none\.yaml: cannot be read: ENOENT/,
        ),
      },
    );
    await writeFile(file, 'channels: { b: { settings: { ladder: nowhere } } }');
    await expect(createFixture({ channelFiles: [file] })).rejects.toMatchObject({
      message: expect.stringContaining('channel b: there is no ladder nowhere'),
    });
  });

  test('no key, hash or token is logged or shown again', async () => {
    await post('/channels', { name: 'news' });
    const { id, streamKey } = await post('/channels/news/stream-keys', {});
    await authorize(streamKey);
    await fetch(`${fixture.url}/v1/channels`, {
      headers: { authorization: 'Bearer wrong-token-wrong-token' },
    });
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    const shown = await Promise.all(
      ['/channels/news/stream-keys', `/channels/news/stream-keys/${id}`, '/channels', '/live'].map(
        async (path) => (await fetch(`${fixture.url}/v1${path}`, { headers })).text(),
      ),
    );
    const said = [
      ...shown,
      ...fixture.log,
      JSON.stringify(fixture.events),
      await fixture.registry.metrics(),
    ].join('\n');
    for (const secret of [streamKey, hashStreamKey(streamKey), ADMIN_TOKEN, 'wrong-token']) {
      expect(said).not.toContain(secret);
    }
  });
});
