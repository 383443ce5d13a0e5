import type { StoredChannel } from './channel.ts';
import type { Ladder } from './ladder.ts';
import type { StoredStreamKey } from './stream-key.ts';

/** A stretch of a listing, in order of names or ids. */
export interface PageRequest {
  /** Names or ids after this one; from the first when absent. */
  readonly after?: string;
  readonly limit: number;
}

/** Channels by name. */
export interface ChannelRecords {
  getChannel(name: string): Promise<StoredChannel | undefined>;
  listChannels(page: PageRequest): Promise<readonly StoredChannel[]>;
  /** Stores a channel that is not there yet; false when the name is taken. */
  createChannel(channel: StoredChannel): Promise<boolean>;
  /** Replaces a channel; false when there is none of the name. */
  replaceChannel(channel: StoredChannel): Promise<boolean>;
  /** Deletes a channel and its stream keys; false when there is none of the name. */
  deleteChannel(name: string): Promise<boolean>;
}

/** Stream keys by channel and id, and by hash. */
interface StreamKeyRecords {
  findStreamKey(sha256: string): Promise<StoredStreamKey | undefined>;
  /** All keys of a channel, by id. */
  listStreamKeys(channel: string): Promise<readonly StoredStreamKey[]>;
  /** Stores or replaces a key by its id; false when the channel is not there or another key has the hash. */
  putStreamKey(key: StoredStreamKey): Promise<boolean>;
  /** The keys that are past their end, in no order: for a timer, so it costs no more than the keys that have an end. */
  listExpiredStreamKeys(nowMs: number): Promise<readonly StoredStreamKey[]>;
  /** Deletes a key; false when there is none. */
  deleteStreamKey(channel: string, id: string): Promise<boolean>;
}

/** Named ladders. */
interface LadderRecords {
  getLadder(name: string): Promise<Ladder | undefined>;
  listLadders(page: PageRequest): Promise<readonly Ladder[]>;
  putLadder(ladder: Ladder): Promise<void>;
  deleteLadder(name: string): Promise<boolean>;
}

/**
 * The durable configuration: channels, their stream keys (hashed) and named ladders.
 *
 * A promise resolves when the change will survive what the adapter survives. Returned values are snapshots.
 */
export interface ChannelStore extends ChannelRecords, StreamKeyRecords, LadderRecords {}
