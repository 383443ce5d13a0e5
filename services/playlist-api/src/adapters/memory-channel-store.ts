import type { ChannelStore, PageRequest } from '../domain/channel-store.ts';
import type { StoredChannel } from '../domain/channel.ts';
import type { Ladder } from '../domain/ladder.ts';
import type { StoredStreamKey } from '../domain/stream-key.ts';
import { NamedRecords } from './named-records.ts';

/** Everything a channel store holds, as plain data. */
export interface ChannelStoreContent {
  readonly channels: readonly StoredChannel[];
  readonly streamKeys: readonly StoredStreamKey[];
  readonly ladders: readonly Ladder[];
}

/** A channel store that lives as long as its process. */
export class MemoryChannelStore implements ChannelStore {
  readonly #channels = new NamedRecords<StoredChannel>();
  readonly #keysByHash = new Map<string, StoredStreamKey>();
  /** By channel, then by id. */
  readonly #keysByChannel = new Map<string, Map<string, StoredStreamKey>>();
  /** Those with an end, by hash. */
  readonly #expiringKeys = new Map<string, StoredStreamKey>();
  readonly #ladders = new NamedRecords<Ladder>();

  constructor(content?: ChannelStoreContent) {
    for (const channel of content?.channels ?? []) this.#channels.set(channel.name, channel);
    for (const key of content?.streamKeys ?? []) this.#add(key);
    for (const ladder of content?.ladders ?? []) this.#ladders.set(ladder.name, ladder);
  }

  /** Everything that is stored now. */
  content(): ChannelStoreContent {
    return {
      channels: this.#channels.values(),
      streamKeys: [...this.#keysByHash.values()],
      ladders: this.#ladders.values(),
    };
  }

  async getChannel(name: string): Promise<StoredChannel | undefined> {
    return this.#channels.get(name);
  }

  async listChannels(page: PageRequest): Promise<readonly StoredChannel[]> {
    return this.#channels.page(page);
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
    for (const id of [...(this.#keysByChannel.get(name)?.keys() ?? [])]) this.#remove(name, id);
    this.#keysByChannel.delete(name);
    return this.#channels.delete(name);
  }

  async findStreamKey(sha256: string): Promise<StoredStreamKey | undefined> {
    return this.#keysByHash.get(sha256);
  }

  async listStreamKeys(channel: string): Promise<readonly StoredStreamKey[]> {
    const keys = [...(this.#keysByChannel.get(channel)?.values() ?? [])];
    return keys.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }

  async listExpiredStreamKeys(nowMs: number): Promise<readonly StoredStreamKey[]> {
    return [...this.#expiringKeys.values()].filter(({ expiresAtMs = Infinity }) => expiresAtMs <= nowMs);
  }

  async putStreamKey(key: StoredStreamKey): Promise<boolean> {
    if (!this.#channels.has(key.channel)) return false;
    const holder = this.#keysByHash.get(key.sha256);
    if (holder !== undefined && !(holder.id === key.id && holder.channel === key.channel)) return false;
    this.#remove(key.channel, key.id);
    this.#add(key);
    return true;
  }

  async deleteStreamKey(channel: string, id: string): Promise<boolean> {
    return this.#remove(channel, id);
  }

  async getLadder(name: string): Promise<Ladder | undefined> {
    return this.#ladders.get(name);
  }

  async listLadders(page: PageRequest): Promise<readonly Ladder[]> {
    return this.#ladders.page(page);
  }

  async putLadder(ladder: Ladder): Promise<void> {
    this.#ladders.set(ladder.name, ladder);
  }

  async deleteLadder(name: string): Promise<boolean> {
    return this.#ladders.delete(name);
  }

  #add(key: StoredStreamKey): void {
    const ofChannel = this.#keysByChannel.get(key.channel) ?? new Map<string, StoredStreamKey>();
    this.#keysByChannel.set(key.channel, ofChannel.set(key.id, key));
    this.#keysByHash.set(key.sha256, key);
    if (key.expiresAtMs !== undefined) this.#expiringKeys.set(key.sha256, key);
  }

  #remove(channel: string, id: string): boolean {
    const key = this.#keysByChannel.get(channel)?.get(id);
    if (key === undefined) return false;
    this.#keysByChannel.get(channel)?.delete(id);
    this.#expiringKeys.delete(key.sha256);
    return this.#keysByHash.delete(key.sha256);
  }
}
