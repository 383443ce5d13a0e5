import { describe, expect, test } from '@jest/globals';
import { channelSettingsSchema } from './channel.ts';
import type { StoredChannel } from './channel.ts';
import type { ChannelStore } from './channel-store.ts';
import type { Ladder } from './ladder.ts';
import { hashStreamKey } from './stream-key.ts';
import type { StoredStreamKey } from './stream-key.ts';

function channelOf(name: string, change: Partial<StoredChannel> = {}): StoredChannel {
  const settings = channelSettingsSchema.parse({});
  return { name, settings, origin: 'api', createdAtMs: 1, updatedAtMs: 1, ...change };
}

function keyOf(channel: string, id: string, change: Partial<StoredStreamKey> = {}): StoredStreamKey {
  return {
    id,
    channel,
    sha256: hashStreamKey(`${channel}/${id}`),
    role: 'primary',
    label: '',
    origin: 'api',
    createdAtMs: 1,
    ...change,
  };
}

const ladderOf = (name: string): Ladder => ({ name, rungs: ['source'], updatedAtMs: 1 });

/** The rules that every channel store keeps; `create` gives an empty one. */
export function describeChannelStore(name: string, create: () => Promise<ChannelStore>): void {
  describe(`channel store: ${name}`, () => {
    test('a channel is created once, under its name', async () => {
      const store = await create();
      expect(await store.getChannel('news')).toBeUndefined();
      const results = await Promise.all(
        [1, 2, 3].map((at) => store.createChannel(channelOf('news', { createdAtMs: at }))),
      );
      expect(results.filter(Boolean)).toHaveLength(1);
      expect(await store.getChannel('news')).toMatchObject({ name: 'news', origin: 'api' });
    });

    test('replacing needs the channel to be there', async () => {
      const store = await create();
      expect(await store.replaceChannel(channelOf('news'))).toBe(false);
      expect(await store.getChannel('news')).toBeUndefined();
      await store.createChannel(channelOf('news'));
      expect(await store.replaceChannel(channelOf('news', { updatedAtMs: 2 }))).toBe(true);
      expect(await store.getChannel('news')).toEqual(channelOf('news', { updatedAtMs: 2 }));
    });

    test('channels and ladders are listed by name, page by page, each once', async () => {
      const store = await create();
      for (const each of ['c', 'a', 'b', 'e', 'd']) {
        await store.createChannel(channelOf(each));
        await store.putLadder(ladderOf(each));
      }
      for (const list of [store.listChannels.bind(store), store.listLadders.bind(store)]) {
        const seen: string[] = [];
        for (let after: string | undefined; ; after = seen.at(-1)) {
          const page = await list({ limit: 2, ...(after === undefined ? {} : { after }) });
          if (page.length === 0) break;
          seen.push(...page.map((item) => item.name));
        }
        expect(seen).toEqual(['a', 'b', 'c', 'd', 'e']);
      }
    });

    test("deleting a channel takes its keys with it, and nobody else's", async () => {
      const store = await create();
      for (const channel of ['news', 'sports']) {
        await store.createChannel(channelOf(channel));
        await store.putStreamKey(keyOf(channel, 'k1'));
      }
      expect(await store.deleteChannel('news')).toBe(true);
      expect(await store.deleteChannel('news')).toBe(false);
      expect(await store.findStreamKey(keyOf('news', 'k1').sha256)).toBeUndefined();
      expect(await store.listStreamKeys('news')).toEqual([]);
      expect(await store.findStreamKey(keyOf('sports', 'k1').sha256)).toEqual(keyOf('sports', 'k1'));
    });

    test('a key is found by its hash, and listed by id', async () => {
      const store = await create();
      await store.createChannel(channelOf('news'));
      for (const id of ['k2', 'k1']) expect(await store.putStreamKey(keyOf('news', id))).toBe(true);
      expect(await store.findStreamKey(keyOf('news', 'k2').sha256)).toEqual(keyOf('news', 'k2'));
      expect((await store.listStreamKeys('news')).map(({ id }) => id)).toEqual(['k1', 'k2']);
      expect(await store.findStreamKey(hashStreamKey('other'))).toBeUndefined();
    });

    test('a key needs its channel, and a hash that no other key has', async () => {
      const store = await create();
      expect(await store.putStreamKey(keyOf('news', 'k1'))).toBe(false);
      await store.createChannel(channelOf('news'));
      await store.createChannel(channelOf('sports'));
      const sha256 = hashStreamKey('same');
      expect(await store.putStreamKey(keyOf('news', 'k1', { sha256 }))).toBe(true);
      expect(await store.putStreamKey(keyOf('sports', 'k1', { sha256 }))).toBe(false);
      expect(await store.putStreamKey(keyOf('news', 'k2', { sha256 }))).toBe(false);
      expect((await store.findStreamKey(sha256))?.channel).toBe('news');
    });

    test('a key that is put again replaces the old one, also under another hash', async () => {
      const store = await create();
      await store.createChannel(channelOf('news'));
      await store.putStreamKey(keyOf('news', 'k1'));
      const changed = keyOf('news', 'k1', { sha256: hashStreamKey('new'), expiresAtMs: 5 });
      expect(await store.putStreamKey(changed)).toBe(true);
      expect(await store.listStreamKeys('news')).toEqual([changed]);
      expect(await store.findStreamKey(keyOf('news', 'k1').sha256)).toBeUndefined();
    });

    test('keys past their end are listed as such, and no others', async () => {
      const store = await create();
      for (const channel of ['news', 'sports', 'gone']) await store.createChannel(channelOf(channel));
      const expired = async (): Promise<readonly string[]> =>
        (await store.listExpiredStreamKeys(10)).map(({ channel, id }) => `${channel}/${id}`).toSorted();
      await store.putStreamKey(keyOf('news', 'endless'));
      await store.putStreamKey(keyOf('news', 'later', { expiresAtMs: 11 }));
      await store.putStreamKey(keyOf('news', 'now', { expiresAtMs: 10 }));
      await store.putStreamKey(keyOf('sports', 'past', { expiresAtMs: 9 }));
      await store.putStreamKey(keyOf('gone', 'past', { expiresAtMs: 9 }));
      await store.deleteChannel('gone');
      expect(await expired()).toEqual(['news/now', 'sports/past']);
      // One that is put again has the end that it has then, under whatever hash.
      await store.putStreamKey(keyOf('sports', 'past'));
      await store.putStreamKey(keyOf('news', 'endless', { expiresAtMs: 5, sha256: hashStreamKey('new') }));
      expect(await expired()).toEqual(['news/endless', 'news/now']);
      for (const id of ['now', 'endless']) await store.deleteStreamKey('news', id);
      expect(await expired()).toEqual([]);
    });

    test('a page begins behind any name, one that is not there as well, also after changes', async () => {
      const store = await create();
      const names = async (after: string): Promise<readonly string[]> =>
        (await store.listChannels({ after, limit: 2 })).map((channel) => channel.name);
      for (const each of ['b', 'd']) await store.createChannel(channelOf(each));
      expect([await names('a'), await names('b'), await names('c'), await names('d')]).toEqual([
        ['b', 'd'],
        ['d'],
        ['d'],
        [],
      ]);
      await store.createChannel(channelOf('c'));
      expect(await names('b')).toEqual(['c', 'd']);
      await store.createChannel(channelOf('e'));
      expect(await names('b')).toEqual(['c', 'd']);
      await store.deleteChannel('c');
      expect(await names('b')).toEqual(['d', 'e']);
    });

    test('a deleted key is gone at once', async () => {
      const store = await create();
      await store.createChannel(channelOf('news'));
      await store.putStreamKey(keyOf('news', 'k1'));
      expect(await store.deleteStreamKey('news', 'other')).toBe(false);
      expect(await store.deleteStreamKey('news', 'k1')).toBe(true);
      expect(await store.deleteStreamKey('news', 'k1')).toBe(false);
      expect(await store.findStreamKey(keyOf('news', 'k1').sha256)).toBeUndefined();
    });

    test('ladders are put, replaced and deleted', async () => {
      const store = await create();
      await store.putLadder(ladderOf('small'));
      await store.putLadder({ ...ladderOf('small'), updatedAtMs: 2 });
      expect(await store.getLadder('small')).toEqual({ ...ladderOf('small'), updatedAtMs: 2 });
      expect(await store.deleteLadder('small')).toBe(true);
      expect(await store.deleteLadder('small')).toBe(false);
      expect(await store.getLadder('small')).toBeUndefined();
    });
  });
}
