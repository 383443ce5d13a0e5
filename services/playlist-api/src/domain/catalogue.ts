import { ServiceError } from '@millrace/runtime';
import type { Clock, EventEmitter } from '@millrace/runtime';
import { ulid } from 'ulid';
import type { ChannelSettings, StoredChannel } from './channel.ts';
import type { ChannelStore } from './channel-store.ts';
import { DEFAULT_LADDER_NAME } from './ladder.ts';
import type { Ladder, RungSettings } from './ladder.ts';
import { generateStreamKey, hashStreamKey } from './stream-key.ts';
import type { StoredStreamKey } from './stream-key.ts';

/** Keys that a channel may have at once. */
const MAX_STREAM_KEYS = 16;
const LIST_STEP = 100;

/** A key and what an encoder has to show: the only time it is seen. */
export interface IssuedStreamKey {
  readonly record: StoredStreamKey;
  readonly streamKey: string;
}

/** The changes people make to channels, stream keys and ladders: each checked, stored, then told on the bus. */
export class Catalogue {
  readonly #store: ChannelStore;
  readonly #events: EventEmitter;
  readonly #clock: Clock;
  /** Channels that keys are being issued for, each with the last of those that wait for their turn. */
  readonly #issuing = new Map<string, Promise<unknown>>();

  constructor(dependencies: {
    readonly store: ChannelStore;
    readonly events: EventEmitter;
    readonly clock: Clock;
  }) {
    this.#store = dependencies.store;
    this.#events = dependencies.events;
    this.#clock = dependencies.clock;
  }

  /** Throws `PLAYLIST_API_CHANNEL_EXISTS`, `PLAYLIST_API_LADDER_UNKNOWN`. */
  async createChannel(name: string, settings: ChannelSettings): Promise<StoredChannel> {
    await this.#requireLadder(settings);
    const nowMs = this.#clock();
    const channel: StoredChannel = { name, settings, origin: 'api', createdAtMs: nowMs, updatedAtMs: nowMs };
    if (!(await this.#store.createChannel(channel))) {
      throw new ServiceError(
        'ALREADY_EXISTS',
        'PLAYLIST_API_CHANNEL_EXISTS',
        `There is a channel ${name} already: choose another name, or change that one.`,
      );
    }
    this.#channelChanged(name, 'created');
    return channel;
  }

  /** Replaces every setting; a session that runs keeps what it was opened with, but loses its encoder with `isEnabled: false`. */
  async replaceChannel(name: string, settings: ChannelSettings): Promise<StoredChannel> {
    await this.#requireLadder(settings);
    const channel: StoredChannel = { ...(await this.getChannel(name)), settings, updatedAtMs: this.#clock() };
    if (!(await this.#store.replaceChannel(channel))) throw channelUnknown(name);
    this.#channelChanged(name, 'updated');
    // Also when it was disabled before: whoever asks again does so because an encoder goes on.
    if (!settings.isEnabled) this.#channelChanged(name, 'disabled');
    return channel;
  }

  /** Deletes a channel; its keys are revoked with it. */
  async deleteChannel(name: string): Promise<void> {
    const keys = await this.#store.listStreamKeys(name);
    if (!(await this.#store.deleteChannel(name))) throw channelUnknown(name);
    for (const key of keys) this.#keyChanged(key, 'revoked');
    this.#channelChanged(name, 'deleted');
  }

  /** Throws `PLAYLIST_API_CHANNEL_UNKNOWN`. */
  async getChannel(name: string): Promise<StoredChannel> {
    const channel = await this.#store.getChannel(name);
    if (channel === undefined) throw channelUnknown(name);
    return channel;
  }

  async listStreamKeys(channel: string): Promise<readonly StoredStreamKey[]> {
    await this.getChannel(channel);
    return this.#store.listStreamKeys(channel);
  }

  /** Throws `PLAYLIST_API_STREAM_KEY_UNKNOWN`. */
  async getStreamKey(channel: string, id: string): Promise<StoredStreamKey> {
    const key = (await this.listStreamKeys(channel)).find((known) => known.id === id);
    if (key === undefined) {
      throw new ServiceError(
        'NOT_FOUND',
        'PLAYLIST_API_STREAM_KEY_UNKNOWN',
        `Channel ${channel} has no stream key ${id}: list its keys to see their ids.`,
      );
    }
    return key;
  }

  /** Throws `PLAYLIST_API_STREAM_KEY_LIMIT` at `MAX_STREAM_KEYS`. */
  async createStreamKey(
    channel: string,
    options: { readonly role: StoredStreamKey['role']; readonly label: string },
  ): Promise<IssuedStreamKey> {
    return this.#inTurn(channel, async () => {
      await this.#requireRoom(channel);
      const issued = await this.#issue(channel, options);
      this.#keyChanged(issued.record, 'created');
      return issued;
    });
  }

  /**
   * Makes a new key in place of another, which stays valid for `overlapSeconds` more.
   *
   * Without an overlap the old one is revoked at once, and with it what it published. With one both count until it is over:
   * throws `PLAYLIST_API_STREAM_KEY_LIMIT` at `MAX_STREAM_KEYS`. A key is rotated once: throws
   * `PLAYLIST_API_STREAM_KEY_ROTATED` during its overlap.
   */
  async rotateStreamKey(channel: string, id: string, overlapSeconds: number): Promise<IssuedStreamKey> {
    return this.#inTurn(channel, async () => {
      const old = await this.getStreamKey(channel, id);
      if (old.expiresAtMs !== undefined) throw alreadyRotated(old);
      if (overlapSeconds > 0) await this.#requireRoom(channel);
      const issued = await this.#issue(channel, old);
      this.#keyChanged(issued.record, 'created');
      // One that was revoked while the new one was stored stays revoked.
      const kept = (await this.#store.listStreamKeys(channel)).find((known) => known.id === id);
      if (kept === undefined) return issued;
      if (overlapSeconds === 0) {
        const isRevoked = await this.#store.deleteStreamKey(channel, id);
        if (isRevoked) for (const change of ['rotated', 'revoked'] as const) this.#keyChanged(kept, change);
      } else {
        const expiresAtMs = this.#clock() + overlapSeconds * 1000;
        if (await this.#store.putStreamKey({ ...kept, expiresAtMs })) this.#keyChanged(kept, 'rotated');
      }
      return issued;
    });
  }

  /** Throws `PLAYLIST_API_STREAM_KEY_UNKNOWN`. */
  async revokeStreamKey(channel: string, id: string): Promise<void> {
    const key = await this.getStreamKey(channel, id);
    if (await this.#store.deleteStreamKey(channel, id)) this.#keyChanged(key, 'revoked');
  }

  /** Revokes every key whose rotation overlap is over; idempotent. */
  async revokeExpiredKeys(): Promise<void> {
    for (const key of await this.#store.listExpiredStreamKeys(this.#clock())) {
      if (await this.#store.deleteStreamKey(key.channel, key.id)) this.#keyChanged(key, 'revoked');
    }
  }

  async putLadder(name: string, rungs: readonly RungSettings[]): Promise<Ladder> {
    const ladder: Ladder = { name, rungs, updatedAtMs: this.#clock() };
    await this.#store.putLadder(ladder);
    for await (const channel of this.allChannels()) {
      if (channel.settings.ladder === name) this.#channelChanged(channel.name, 'updated');
    }
    return ladder;
  }

  /** Throws `PLAYLIST_API_LADDER_UNKNOWN`. */
  async getLadder(name: string): Promise<Ladder> {
    const ladder = await this.#store.getLadder(name);
    if (ladder === undefined) throw ladderUnknown(name);
    return ladder;
  }

  /** Throws `PLAYLIST_API_LADDER_IN_USE`; the default ladder is always in use. */
  async deleteLadder(name: string): Promise<void> {
    await this.getLadder(name);
    let user = name === DEFAULT_LADDER_NAME ? 'every channel that names no other' : undefined;
    for await (const channel of this.allChannels()) {
      if (channel.settings.ladder === name) user ??= `channel ${channel.name}`;
    }
    if (user !== undefined) {
      throw new ServiceError(
        'FAILED_PRECONDITION',
        'PLAYLIST_API_LADDER_IN_USE',
        `Ladder ${name} is used by ${user}: give that another ladder first.`,
      );
    }
    await this.#store.deleteLadder(name);
  }

  /** Every channel, by name. */
  async *allChannels(): AsyncIterable<StoredChannel> {
    let after: string | undefined;
    for (;;) {
      const page = await this.#store.listChannels({
        limit: LIST_STEP,
        ...(after === undefined ? {} : { after }),
      });
      yield* page;
      if (page.length < LIST_STEP) return;
      after = page.at(-1)?.name;
    }
  }

  async #requireRoom(channel: string): Promise<void> {
    const { length } = await this.listStreamKeys(channel);
    if (length < MAX_STREAM_KEYS) return;
    throw new ServiceError(
      'RESOURCE_EXHAUSTED',
      'PLAYLIST_API_STREAM_KEY_LIMIT',
      `Channel ${channel} has ${length} stream keys, the most it can have: revoke one first.`,
    );
  }

  /** Issues one key of a channel after the other: each counts those before it. */
  async #inTurn<T>(channel: string, issue: () => Promise<T>): Promise<T> {
    const issued = (this.#issuing.get(channel) ?? Promise.resolve()).then(issue);
    const settled = issued.catch(() => undefined);
    this.#issuing.set(channel, settled);
    try {
      return await issued;
    } finally {
      if (this.#issuing.get(channel) === settled) this.#issuing.delete(channel);
    }
  }

  async #issue(
    channel: string,
    { role, label }: { readonly role: StoredStreamKey['role']; readonly label: string },
  ): Promise<IssuedStreamKey> {
    const streamKey = generateStreamKey();
    const nowMs = this.#clock();
    const record: StoredStreamKey = {
      id: ulid(nowMs),
      channel,
      sha256: hashStreamKey(streamKey),
      role,
      label,
      origin: 'api',
      createdAtMs: nowMs,
    };
    if (!(await this.#store.putStreamKey(record))) throw channelUnknown(channel);
    return { record, streamKey };
  }

  async #requireLadder({ ladder }: ChannelSettings): Promise<void> {
    if (typeof ladder === 'string' && (await this.#store.getLadder(ladder)) === undefined) {
      throw new ServiceError(
        'INVALID_ARGUMENT',
        'PLAYLIST_API_LADDER_UNKNOWN',
        `There is no ladder ${ladder}: make it first, or give the rungs themselves.`,
      );
    }
  }

  #channelChanged(channel: string, change: 'created' | 'updated' | 'disabled' | 'deleted'): void {
    this.#events.emit({ type: 'ChannelChanged', data: { channel, change } });
  }

  #keyChanged(key: StoredStreamKey, change: 'created' | 'rotated' | 'revoked'): void {
    this.#events.emit({
      type: 'StreamKeyChanged',
      data: { channel: key.channel, streamKeyId: key.id, change },
    });
  }
}

function channelUnknown(name: string): ServiceError {
  return new ServiceError(
    'NOT_FOUND',
    'PLAYLIST_API_CHANNEL_UNKNOWN',
    `There is no channel ${name}: check the name, or make it.`,
  );
}

function alreadyRotated({ channel, id }: StoredStreamKey): ServiceError {
  return new ServiceError(
    'FAILED_PRECONDITION',
    'PLAYLIST_API_STREAM_KEY_ROTATED',
    `Stream key ${id} of channel ${channel} has been rotated already: rotate the one in its place, or revoke it.`,
  );
}

function ladderUnknown(name: string): ServiceError {
  return new ServiceError(
    'NOT_FOUND',
    'PLAYLIST_API_LADDER_UNKNOWN',
    `There is no ladder ${name}: check the name.`,
  );
}
