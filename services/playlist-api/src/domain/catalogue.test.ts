import { describe, expect, jest, test } from '@jest/globals';
import { ManualClock } from '@millrace/testkit';
import { MemoryChannelStore } from '../adapters/memory-channel-store.ts';
import { Catalogue } from './catalogue.ts';
import { channelSettingsSchema } from './channel.ts';
import type { StoredStreamKey } from './stream-key.ts';

/** A store whose next write of a key happens after something else did, as a disk lets it. */
class SlowStore extends MemoryChannelStore {
  meanwhile: (() => Promise<void>) | undefined;

  override async putStreamKey(key: StoredStreamKey): Promise<boolean> {
    const isStored = await super.putStreamKey(key);
    const { meanwhile } = this;
    this.meanwhile = undefined;
    await meanwhile?.();
    return isStored;
  }
}

async function start(): Promise<{
  store: SlowStore;
  catalogue: Catalogue;
  clock: ManualClock;
  said: string[];
}> {
  const store = new SlowStore();
  await store.putLadder({ name: 'default', rungs: ['source'], updatedAtMs: 0 });
  const said: string[] = [];
  const clock = new ManualClock(1_780_000_000_000);
  const catalogue = new Catalogue({
    store,
    events: {
      emit: (event) => void (event.type === 'StreamKeyChanged' && said.push(event.data.change)),
    },
    clock: clock.now,
  });
  await catalogue.createChannel('news', channelSettingsSchema.parse({}));
  return { store, catalogue, clock, said };
}

const PRIMARY = { role: 'primary', label: '' } as const;
const LIMIT = { id: 'PLAYLIST_API_STREAM_KEY_LIMIT' };

describe('stream keys', () => {
  test('a key that is revoked while it is rotated with an overlap stays revoked', async () => {
    const { store, catalogue, said } = await start();
    const old = await catalogue.createStreamKey('news', PRIMARY);
    store.meanwhile = () => catalogue.revokeStreamKey('news', old.record.id);
    const fresh = await catalogue.rotateStreamKey('news', old.record.id, 60);
    expect((await catalogue.listStreamKeys('news')).map(({ id }) => id)).toEqual([fresh.record.id]);
    expect(await store.findStreamKey(old.record.sha256)).toBeUndefined();
    expect(said).toEqual(['created', 'revoked', 'created']);
  });

  test('a key is rotated once: during its overlap it is refused, the one in its place is rotated', async () => {
    const { catalogue } = await start();
    const { id } = (await catalogue.createStreamKey('news', PRIMARY)).record;
    const attempts = await Promise.allSettled(
      [60, 60, 0].map((overlap) => catalogue.rotateStreamKey('news', id, overlap)),
    );
    expect(attempts).toMatchObject([
      { status: 'fulfilled' },
      { status: 'rejected', reason: { id: 'PLAYLIST_API_STREAM_KEY_ROTATED' } },
      { status: 'rejected', reason: { id: 'PLAYLIST_API_STREAM_KEY_ROTATED' } },
    ]);
    const keys = await catalogue.listStreamKeys('news');
    expect(keys).toHaveLength(2);
    const fresh = keys.find((key) => key.id !== id);
    await catalogue.rotateStreamKey('news', fresh?.id ?? '', 60);
    expect(await catalogue.listStreamKeys('news')).toHaveLength(3);
  });

  test('a channel never has more than 16, however they come: rotated with an overlap both count', async () => {
    const { catalogue, said } = await start();
    const made = await Promise.allSettled(
      Array.from({ length: 20 }, () => catalogue.createStreamKey('news', PRIMARY)),
    );
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(16);
    expect(made.at(-1)).toMatchObject({ reason: LIMIT });
    const ids = (await catalogue.listStreamKeys('news')).map(({ id }) => id);
    expect(ids).toHaveLength(16);
    for (const id of ids) {
      await expect(catalogue.rotateStreamKey('news', id, 60)).rejects.toMatchObject(LIMIT);
    }
    expect(said).not.toContain('rotated');
    // In its place at once there is room.
    await catalogue.rotateStreamKey('news', ids[0] ?? '', 0);
    expect(said.slice(-3)).toEqual(['created', 'rotated', 'revoked']);
    expect(await catalogue.listStreamKeys('news')).toHaveLength(16);
  });

  test('to revoke those past their end no channel is looked at', async () => {
    const { store, catalogue, clock, said } = await start();
    const { id } = (await catalogue.createStreamKey('news', PRIMARY)).record;
    await catalogue.rotateStreamKey('news', id, 60);
    const list = jest.spyOn(store, 'listChannels');
    const listKeys = jest.spyOn(store, 'listStreamKeys');
    clock.advance(59_999);
    await catalogue.revokeExpiredKeys();
    expect(said).not.toContain('revoked');
    clock.advance(1);
    await Promise.all([catalogue.revokeExpiredKeys(), catalogue.revokeExpiredKeys()]);
    expect(said.filter((change) => change === 'revoked')).toHaveLength(1);
    expect([...list.mock.calls, ...listKeys.mock.calls]).toEqual([]);
    expect(await catalogue.listStreamKeys('news')).toHaveLength(1);
  });

  test('what could not be stored is told to nobody', async () => {
    const { store, catalogue, said } = await start();
    const { id } = (await catalogue.createStreamKey('news', PRIMARY)).record;
    store.meanwhile = async () => {
      store.meanwhile = () => Promise.reject(new Error('the disk is full'));
    };
    await expect(catalogue.rotateStreamKey('news', id, 60)).rejects.toThrow('the disk is full');
    expect(said).toEqual(['created', 'created']);
  });
});
