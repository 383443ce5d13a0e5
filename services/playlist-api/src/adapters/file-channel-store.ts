import { mkdir, open, readFile, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ServiceError } from '@millrace/runtime';
import { z } from 'zod';
import type { StoredChannel } from '../domain/channel.ts';
import type { ChannelStore, PageRequest } from '../domain/channel-store.ts';
import type { Ladder } from '../domain/ladder.ts';
import type { StoredStreamKey } from '../domain/stream-key.ts';
import { MemoryChannelStore } from './memory-channel-store.ts';
import { storedChannelSchema, storedLadderSchema, storedStreamKeySchema } from './stored-content.ts';

const FORMAT_VERSION = 1;

const contentSchema = z.object({
  version: z.literal(FORMAT_VERSION),
  channels: z.array(storedChannelSchema),
  streamKeys: z.array(storedStreamKeySchema),
  ladders: z.array(storedLadderSchema),
});

/**
 * A channel store in one JSON file, for one process: read at start, written whole and atomically at each change.
 *
 * The file has mode 0600. A change is visible at once and its promise resolves when the file is on the disk; a write that
 * fails rejects it and is made up for by the next one.
 */
export class FileChannelStore implements ChannelStore {
  readonly #path: string;
  readonly #memory: MemoryChannelStore;
  #writing: Promise<void> = Promise.resolve();
  /** The write after the one that runs; it has not looked at what is stored yet. */
  #next: Promise<void> | undefined;

  private constructor(path: string, memory: MemoryChannelStore) {
    this.#path = path;
    this.#memory = memory;
  }

  /** Opens the store; a file that is not there yet is empty, and its directory is made. Throws `PLAYLIST_API_STATE_FILE` for one it cannot use. */
  static async open(path: string): Promise<FileChannelStore> {
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw unusable(path, 'cannot be read', error);
      await makeDirectory(path);
      return new FileChannelStore(path, new MemoryChannelStore());
    }
    try {
      return new FileChannelStore(path, new MemoryChannelStore(contentSchema.parse(JSON.parse(text))));
    } catch (error) {
      throw unusable(path, 'is not a channel file of this version', error);
    }
  }

  getChannel(name: string): Promise<StoredChannel | undefined> {
    return this.#memory.getChannel(name);
  }

  listChannels(page: PageRequest): Promise<readonly StoredChannel[]> {
    return this.#memory.listChannels(page);
  }

  async createChannel(channel: StoredChannel): Promise<boolean> {
    return this.#written(await this.#memory.createChannel(channel));
  }

  async replaceChannel(channel: StoredChannel): Promise<boolean> {
    return this.#written(await this.#memory.replaceChannel(channel));
  }

  async deleteChannel(name: string): Promise<boolean> {
    return this.#written(await this.#memory.deleteChannel(name));
  }

  findStreamKey(sha256: string): Promise<StoredStreamKey | undefined> {
    return this.#memory.findStreamKey(sha256);
  }

  listStreamKeys(channel: string): Promise<readonly StoredStreamKey[]> {
    return this.#memory.listStreamKeys(channel);
  }

  listExpiredStreamKeys(nowMs: number): Promise<readonly StoredStreamKey[]> {
    return this.#memory.listExpiredStreamKeys(nowMs);
  }

  async putStreamKey(key: StoredStreamKey): Promise<boolean> {
    return this.#written(await this.#memory.putStreamKey(key));
  }

  async deleteStreamKey(channel: string, id: string): Promise<boolean> {
    return this.#written(await this.#memory.deleteStreamKey(channel, id));
  }

  getLadder(name: string): Promise<Ladder | undefined> {
    return this.#memory.getLadder(name);
  }

  listLadders(page: PageRequest): Promise<readonly Ladder[]> {
    return this.#memory.listLadders(page);
  }

  async putLadder(ladder: Ladder): Promise<void> {
    await this.#memory.putLadder(ladder);
    await this.#written(true);
  }

  async deleteLadder(name: string): Promise<boolean> {
    return this.#written(await this.#memory.deleteLadder(name));
  }

  /** Writes what is stored, once for all that changed while the write before ran; nothing is written when nothing changed. */
  async #written(isChanged: boolean): Promise<boolean> {
    if (!isChanged) return false;
    this.#next ??= this.#writing.then(() => {
      this.#next = undefined;
      return this.#write();
    });
    const write = this.#next;
    this.#writing = write.catch(() => undefined);
    await write;
    return true;
  }

  async #write(): Promise<void> {
    const temporary = `${this.#path}.new`;
    const text = `${JSON.stringify({ version: FORMAT_VERSION, ...this.#memory.content() }, undefined, 2)}\n`;
    try {
      await unlink(temporary).catch(() => undefined);
      const file = await open(temporary, 'wx', 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, this.#path);
    } catch (error) {
      throw unwritable(this.#path, error);
    }
  }
}

/** The state directory holds hashes of stream keys: it is its owner's. */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw unwritable(path, error);
  }
}

function unwritable(path: string, cause: unknown): ServiceError {
  return new ServiceError(
    'UNAVAILABLE',
    'PLAYLIST_API_STATE_FILE',
    `${path} cannot be written: make room on the disk and check who owns the directory.`,
    { cause },
  );
}

function unusable(path: string, what: string, cause: unknown): ServiceError {
  return new ServiceError(
    'FAILED_PRECONDITION',
    'PLAYLIST_API_STATE_FILE',
    `${path} ${what}: restore it from a copy, or move it away to start with no channels.`,
    { cause },
  );
}
