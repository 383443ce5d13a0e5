import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { control } from '@millrace/contracts';
import type { MillraceEvent } from '@millrace/contracts';
import { hashStreamKey } from './domain/stream-key.ts';
import { ADMIN_TOKEN, createFixture } from './testing/fixture.ts';
import type { Fixture } from './testing/fixture.ts';

let fixture: Fixture;
beforeEach(async () => {
  fixture = await createFixture();
});
afterEach(() => fixture.stop());

async function ask(method: string, path: string, body?: unknown): Promise<{ id: string; streamKey: string }> {
  const response = await fetch(`${fixture.url}/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text === '' ? { id: '', streamKey: '' } : (JSON.parse(text) as { id: string; streamKey: string });
}

/** The events in their order, once there are so many. */
async function eventsOf(count: number): Promise<MillraceEvent[]> {
  while (fixture.events.length < count) await new Promise((resolve) => setTimeout(resolve, 5));
  return fixture.events.map(({ event }) => event);
}

async function isGranted(streamKey: string): Promise<boolean> {
  const { result } = await fixture.api.control.authorizePublish({
    app: 'live',
    streamKeySha256: Buffer.from(hashStreamKey(streamKey), 'hex'),
    remoteAddress: '192.0.2.1',
  });
  if (result?.$case === 'refusal') expect(result.value).toBe(control.PublishRefusal.KEY);
  return result?.$case === 'grant';
}

const channelChanged = (change: string, channel = 'news'): MillraceEvent => ({
  type: 'ChannelChanged',
  data: { channel, change },
});
const keyChanged = (streamKeyId: string, change: string): MillraceEvent => ({
  type: 'StreamKeyChanged',
  data: { channel: 'news', streamKeyId, change },
});

describe('what is changed through REST is told on the bus', () => {
  test('a channel: created, updated, also by its ladder, deleted; with who says so and when', async () => {
    await ask('PUT', '/ladders/small', { rungs: ['source'] });
    await ask('POST', '/channels', { name: 'news' });
    fixture.clock.advance(1000);
    await ask('PUT', '/channels/news', { settings: { title: 'The news', ladder: 'small' } });
    await ask('PUT', '/ladders/small', { rungs: ['source'] });
    await ask('POST', '/channels', { name: 'other' });
    await ask('DELETE', '/channels/news');
    expect(await eventsOf(5)).toEqual([
      channelChanged('created'),
      channelChanged('updated'),
      channelChanged('updated'),
      channelChanged('created', 'other'),
      channelChanged('deleted'),
    ]);
    const [created, updated] = fixture.events;
    const startMs = fixture.clock.now() - 1000;
    expect(created).toMatchObject({
      source: '/playlist-api/test',
      subject: '',
      channel: 'news',
      timeMs: startMs,
    });
    expect(updated).toMatchObject({ timeMs: startMs + 1000 });
    expect(new Set(fixture.events.map(({ id }) => id)).size).toBe(5);
  });

  test('a channel that is disabled: after the change, also when it was before, and not when it is enabled', async () => {
    await ask('POST', '/channels', { name: 'news' });
    await ask('PUT', '/channels/news', { settings: { isEnabled: false } });
    await ask('PUT', '/channels/news', { settings: { isEnabled: false } });
    await ask('PUT', '/channels/news', { settings: {} });
    expect(await eventsOf(6)).toEqual(
      ['created', 'updated', 'disabled', 'updated', 'disabled', 'updated'].map((change) =>
        channelChanged(change),
      ),
    );
  });

  test('what is refused is told to nobody', async () => {
    await ask('POST', '/channels', { name: 'news' });
    await expect(ask('POST', '/channels', { name: 'news' })).rejects.toThrow('409');
    await expect(ask('PUT', '/channels/weather', { settings: {} })).rejects.toThrow('404');
    await expect(ask('DELETE', '/channels/weather')).rejects.toThrow('404');
    await expect(ask('DELETE', '/channels/news/stream-keys/nope')).rejects.toThrow('404');
    await expect(ask('POST', '/channels/news/stream-keys/nope/rotate', {})).rejects.toThrow('404');
    await ask('DELETE', '/channels/news');
    expect(await eventsOf(2)).toEqual([channelChanged('created'), channelChanged('deleted')]);
  });

  test('a stream key that is rotated without an overlap, then revoked: neither old key publishes', async () => {
    await ask('POST', '/channels', { name: 'news' });
    const old = await ask('POST', '/channels/news/stream-keys', {});
    const kept = await ask('POST', '/channels/news/stream-keys', { role: 'backup' });
    expect(await isGranted(old.streamKey)).toBe(true);
    const fresh = await ask('POST', `/channels/news/stream-keys/${old.id}/rotate`, {});
    expect(await isGranted(old.streamKey)).toBe(false);
    expect(await isGranted(fresh.streamKey)).toBe(true);
    await ask('DELETE', `/channels/news/stream-keys/${fresh.id}`);
    expect(await isGranted(fresh.streamKey)).toBe(false);
    expect(await isGranted(kept.streamKey)).toBe(true);
    expect(await eventsOf(7)).toEqual([
      channelChanged('created'),
      keyChanged(old.id, 'created'),
      keyChanged(kept.id, 'created'),
      keyChanged(fresh.id, 'created'),
      keyChanged(old.id, 'rotated'),
      keyChanged(old.id, 'revoked'),
      keyChanged(fresh.id, 'revoked'),
    ]);
    const said = JSON.stringify(fixture.events);
    for (const { streamKey } of [old, kept, fresh]) expect(said).not.toContain(streamKey);
  });
});
