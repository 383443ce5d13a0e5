import { ServiceError } from '@millrace/runtime';
import type { EventEmitter } from '@millrace/runtime';
import type { Catalogue } from './catalogue.ts';
import type { ChannelDeclarations } from './channel-file.ts';
import type { ChannelStore } from './channel-store.ts';
import type { StoredStreamKey } from './stream-key.ts';

/**
 * Makes the store hold what files declare: what came from a file goes when it has left the file, what people made by the
 * API stays.
 */
export async function declareChannels(
  dependencies: {
    readonly store: ChannelStore;
    readonly catalogue: Catalogue;
    readonly events: EventEmitter;
    readonly nowMs: number;
  },
  declarations: ChannelDeclarations,
): Promise<void> {
  const { store, catalogue, nowMs } = dependencies;
  await requireLadders(store, declarations);
  for (const [name, rungs] of declarations.ladders)
    await store.putLadder({ name, rungs, updatedAtMs: nowMs });
  // Side by side, so that a store that writes itself whole does so a few times and not for every channel.
  const declaring = [...declarations.channels].map(async ([name, { settings, streamKeys }]) => {
    await declareChannel(dependencies, name, settings);
    const keys = streamKeys.map<StoredStreamKey>(({ name: keyName, sha256, role }) => ({
      id: `file-${keyName}`,
      channel: name,
      sha256,
      role,
      label: keyName,
      origin: 'file',
      createdAtMs: nowMs,
    }));
    await declareStreamKeys(dependencies, name, keys);
  });
  await Promise.all(declaring);
  for await (const channel of catalogue.allChannels()) {
    if (channel.origin === 'file' && !declarations.channels.has(channel.name))
      await catalogue.deleteChannel(channel.name);
  }
}

/** Nothing is changed by declarations that name a ladder which neither a file nor the store has. */
async function requireLadders(
  store: ChannelStore,
  { ladders, channels }: ChannelDeclarations,
): Promise<void> {
  for (const [name, { settings }] of channels) {
    const { ladder } = settings;
    if (typeof ladder !== 'string' || ladders.has(ladder) || (await store.getLadder(ladder)) !== undefined)
      continue;
    throw new ServiceError(
      'INVALID_ARGUMENT',
      'PLAYLIST_API_CHANNEL_FILE',
      `The channel files declare channel ${name}: there is no ladder ${ladder}; declare it too, or give the rungs.`,
    );
  }
}

async function declareChannel(
  { store, events, nowMs }: Parameters<typeof declareChannels>[0],
  name: string,
  settings: Parameters<Catalogue['createChannel']>[1],
): Promise<void> {
  const known = await store.getChannel(name);
  if (known !== undefined && JSON.stringify(known.settings) === JSON.stringify(settings)) return;
  const channel = {
    name,
    settings,
    origin: 'file' as const,
    createdAtMs: known?.createdAtMs ?? nowMs,
    updatedAtMs: nowMs,
  };
  if (known === undefined) await store.createChannel(channel);
  else await store.replaceChannel({ ...channel, origin: known.origin });
  const tell = (change: string): void =>
    events.emit({ type: 'ChannelChanged', data: { channel: name, change } });
  tell(known === undefined ? 'created' : 'updated');
  if (known !== undefined && !settings.isEnabled) tell('disabled');
}

async function declareStreamKeys(
  { store, events }: Parameters<typeof declareChannels>[0],
  channel: string,
  declared: readonly StoredStreamKey[],
): Promise<void> {
  const known = await store.listStreamKeys(channel);
  const tell = (key: StoredStreamKey, change: string): void =>
    events.emit({ type: 'StreamKeyChanged', data: { channel, streamKeyId: key.id, change } });
  for (const key of known) {
    const isDeclared = declared.some(({ id, sha256 }) => id === key.id && sha256 === key.sha256);
    if (key.origin !== 'file' || isDeclared) continue;
    await store.deleteStreamKey(channel, key.id);
    tell(key, 'revoked');
  }
  for (const key of declared) {
    if (known.some(({ id, sha256, role }) => id === key.id && sha256 === key.sha256 && role === key.role))
      continue;
    await store.putStreamKey(key);
    tell(key, 'created');
  }
}
