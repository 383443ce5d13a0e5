import { expect, test } from '@jest/globals';
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

test('a key that is revoked while it is rotated with an overlap stays revoked', async () => {
  const store = new SlowStore();
  await store.putLadder({ name: 'default', rungs: ['source'], updatedAtMs: 0 });
  const said: string[] = [];
  const catalogue = new Catalogue({
    store,
    events: {
      emit: (event) => void (event.type === 'StreamKeyChanged' && said.push(event.data.change)),
    },
    clock: new ManualClock(1_780_000_000_000).now,
  });
  await catalogue.createChannel('news', channelSettingsSchema.parse({}));
  const old = await catalogue.createStreamKey('news', { role: 'primary', label: '' });
  store.meanwhile = () => catalogue.revokeStreamKey('news', old.record.id);
  const fresh = await catalogue.rotateStreamKey('news', old.record.id, 60);
  expect((await catalogue.listStreamKeys('news')).map(({ id }) => id)).toEqual([fresh.record.id]);
  expect(await store.findStreamKey(old.record.sha256)).toBeUndefined();
  expect(said).toEqual(['created', 'revoked', 'created', 'rotated']);
});
