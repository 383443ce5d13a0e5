import type { ChannelStore, PageRequest } from '../domain/channel-store.ts';
import type { StoredChannel } from '../domain/channel.ts';
import type { Ladder } from '../domain/ladder.ts';
import type { StoredStreamKey } from '../domain/stream-key.ts';

/** Everything a channel store holds, as plain data. */
export interface ChannelStoreContent {
  readonly channels: readonly StoredChannel[];
  readonly streamKeys: readonly StoredStreamKey[];
  readonly ladders: readonly Ladder[];
}

/** A channel store that lives as long as its process. */
export class MemoryChannelStore implements ChannelStore {
  readonly #channels = new Map<string, StoredChannel>();
  /** By hash. */
  readonly #streamKeys = new Map<string, StoredStreamKey>();
  readonly #ladders = new Map<string, Ladder>();

  constructor(content?: ChannelStoreContent) {
    for (const channel of content?.channels ?? []) this.#channels.set(channel.name, channel);
    for (const key of content?.streamKeys ?? []) this.#streamKeys.set(key.sha256, key);
    for (const ladder of content?.ladders ?? []) this.#ladders.set(ladder.name, ladder);
  }

  /** Everything that is stored now. */
  content(): ChannelStoreContent {
    return {
      channels: [...this.#channels.values()],
      streamKeys: [...this.#streamKeys.values()],
      ladders: [...this.#ladders.values()],
    };
  }

  async getChannel(name: string): Promise<StoredChannel | undefined> {
    return this.#channels.get(name);
  }

  async listChannels(page: PageRequest): Promise<readonly StoredChannel[]> {
    return pageOf(this.#channels, page);
  }

  async createChannel(channel: StoredChannel): Promise<boolean> {
    if (this.#channels.has(channel.name)) return false;
    this.#channels.set(channel.name, channel);
    return true;
  }

  async replaceChannel(channel: StoredChannel): Promise<boolean> {
    if (!this.#channels.has(channel.name)) return false;
    this.#channels.set(channel.name, channel);
    return true;
  }

  async deleteChannel(name: string): Promise<boolean> {
    for (const key of this.#streamKeys.values()) {
      if (key.channel === name) this.#streamKeys.delete(key.sha256);
    }
    return this.#channels.delete(name);
  }

  async findStreamKey(sha256: string): Promise<StoredStreamKey | undefined> {
    return this.#streamKeys.get(sha256);
  }

  async listStreamKeys(channel: string): Promise<readonly StoredStreamKey[]> {
    return [...this.#streamKeys.values()]
      .filter((key) => key.channel === channel)
      .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }

  async putStreamKey(key: StoredStreamKey): Promise<boolean> {
    if (!this.#channels.has(key.channel)) return false;
    const holder = this.#streamKeys.get(key.sha256);
    if (holder !== undefined && !(holder.id === key.id && holder.channel === key.channel)) return false;
    this.#remove(key.channel, key.id);
    this.#streamKeys.set(key.sha256, key);
    return true;
  }

  async deleteStreamKey(channel: string, id: string): Promise<boolean> {
    return this.#remove(channel, id);
  }

  async getLadder(name: string): Promise<Ladder | undefined> {
    return this.#ladders.get(name);
  }

  async listLadders(page: PageRequest): Promise<readonly Ladder[]> {
    return pageOf(this.#ladders, page);
  }

  async putLadder(ladder: Ladder): Promise<void> {
    this.#ladders.set(ladder.name, ladder);
  }

  async deleteLadder(name: string): Promise<boolean> {
    return this.#ladders.delete(name);
  }

  #remove(channel: string, id: string): boolean {
    for (const key of this.#streamKeys.values()) {
      if (key.channel === channel && key.id === id) return this.#streamKeys.delete(key.sha256);
    }
    return false;
  }
}

function pageOf<T>(values: ReadonlyMap<string, T>, page: PageRequest): readonly T[] {
  const { after } = page;
  return [...values.keys()]
    .filter((name) => after === undefined || name > after)
    .toSorted()
    .slice(0, page.limit)
    .map((name) => values.get(name))
    .filter((value) => value !== undefined);
}
