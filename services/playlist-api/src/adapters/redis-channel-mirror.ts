import type { Logger, RedisConnection, RedisScript } from '@millrace/runtime';
import { RedisChangeLog } from './redis-change-log.ts';
import type { LogPosition } from './redis-change-log.ts';
import {
  CHANNEL_FIELD,
  CHANNEL_NAMES,
  channelKey,
  EXPIRING_KEYS,
  hashKey,
  LADDER_NAMES,
  ladderKey,
} from './redis-channel-keys.ts';
import { storedStreamKeySchema } from './stored-content.ts';

const POLL_MS = 1000;
/** Channels and ladders that are asked for at a time. */
const MAX_READS = 64;

/** KEYS channel; ARGV field of the channel, then all fields and values → 1, or 0 when the channel is there. */
const RESTORE_CHANNEL: RedisScript = {
  name: 'millraceRestoreChannel',
  keyCount: 1,
  lua: `if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return 1`,
};

/** A channel with its stream keys, or a ladder, as Redis holds it. */
type Content = ReadonlyMap<string, string> | string;

/**
 * All channels, stream keys and ladders of Redis as they were a second ago, to bring them back when Redis was emptied.
 *
 * What was made in Redis after that stays as it is. Several playlist-apis may bring back the same.
 */
export class RedisChannelMirror {
  readonly #redis: RedisConnection;
  readonly #logger: Logger;
  readonly #log: RedisChangeLog;
  readonly #contents = new Map<string, Content>();
  #position: LogPosition | undefined;
  #polling: Promise<boolean> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #offReady: (() => void) | undefined;

  constructor(options: { readonly redis: RedisConnection; readonly logger: Logger }) {
    this.#redis = options.redis;
    this.#logger = options.logger;
    this.#log = new RedisChangeLog(options.redis);
  }

  start(): void {
    const look = (): void => {
      this.look().catch((error: unknown) => {
        this.#logger.debug({ err: error }, 'Channels cannot be mirrored; it is tried again every second');
      });
    };
    this.#timer = setInterval(look, POLL_MS);
    // A Redis that was away may be empty.
    this.#offReady = this.#redis.onReady(look);
    look();
  }

  async stop(): Promise<void> {
    this.#offReady?.();
    clearInterval(this.#timer);
    await this.#polling?.catch(() => false);
  }

  async noteChannel(name: string): Promise<void> {
    await this.#log.note(channelKey(name));
  }

  async noteLadder(name: string): Promise<void> {
    await this.#log.note(ladderKey(name));
  }

  /** Looks for changes now; true when Redis had been emptied, and holds again what it held. */
  look(): Promise<boolean> {
    return (this.#polling ??= this.#look().finally(() => (this.#polling = undefined)));
  }

  async #look(): Promise<boolean> {
    const { position, changed } = await this.#log.read(this.#position);
    const wasEmptied = this.#position !== undefined && this.#position.id !== position.id;
    if (wasEmptied) await this.#restore();
    await (changed === undefined ? this.#readAll() : inBatches(changed, (key) => this.#read(key)));
    this.#position = position;
    return wasEmptied;
  }

  async #restore(): Promise<void> {
    await inBatches([...this.#contents], async ([key, content]) => {
      const isRestored = await (typeof content === 'string'
        ? this.#restoreLadder(key, content)
        : this.#restoreChannel(key, content));
      if (!isRestored) return;
      await this.#log.note(key);
      this.#redis.metrics.restoredRecords.inc();
    });
    this.#logger.warn(
      { channelsAndLadders: this.#contents.size },
      'Redis had lost its channels; what it does not have is restored',
    );
  }

  async #restoreLadder(key: string, text: string): Promise<boolean> {
    await this.#redis.do((client) => client.zadd(LADDER_NAMES, 0, nameOf(key)));
    return (await this.#redis.do((client) => client.set(key, text, 'NX'))) !== null;
  }

  async #restoreChannel(key: string, fields: ReadonlyMap<string, string>): Promise<boolean> {
    const name = nameOf(key);
    await this.#redis.do((client) => client.zadd(CHANNEL_NAMES, 0, name));
    const args = [CHANNEL_FIELD, ...[...fields].flat()];
    if ((await this.#redis.run(RESTORE_CHANNEL, [key], args)) !== 1) return false;
    for (const [field, text] of fields) {
      if (field === CHANNEL_FIELD) continue;
      const { data } = storedStreamKeySchema.safeParse(parseJson(text));
      if (data === undefined) continue;
      const { id, sha256, expiresAtMs } = data;
      await this.#redis.do((client) => client.set(hashKey(sha256), `${name} ${id}`));
      if (expiresAtMs !== undefined)
        await this.#redis.do((client) => client.zadd(EXPIRING_KEYS, expiresAtMs, `${name} ${id}`));
    }
    return true;
  }

  async #readAll(): Promise<void> {
    const list = (index: string): Promise<string[]> =>
      this.#redis.do((client) => client.zrangebylex(index, '-', '+'));
    const [channels, ladders] = await Promise.all([list(CHANNEL_NAMES), list(LADDER_NAMES)]);
    const keys = new Set([...channels.map(channelKey), ...ladders.map(ladderKey)]);
    for (const key of this.#contents.keys()) if (!keys.has(key)) this.#contents.delete(key);
    await inBatches([...keys], (key) => this.#read(key));
  }

  async #read(key: string): Promise<void> {
    const content = await (isLadder(key)
      ? this.#redis.do((client) => client.get(key))
      : this.#redis.do(async (client) => new Map(Object.entries(await client.hgetall(key)))));
    if (content === null || (typeof content !== 'string' && content.size === 0)) this.#contents.delete(key);
    else this.#contents.set(key, content);
  }
}

function isLadder(key: string): boolean {
  return key.startsWith(ladderKey(''));
}

/** The name in a key that `channelKey` or `ladderKey` made. */
function nameOf(key: string): string {
  return /^\w+:\{?([^{}]*)\}?$/.exec(key)?.[1] ?? '';
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function inBatches<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  for (let from = 0; from < items.length; from += MAX_READS)
    await Promise.all(items.slice(from, from + MAX_READS).map(run));
}
