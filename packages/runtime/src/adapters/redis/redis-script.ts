import { LEASE_TTL_MS } from '../lease-rules.ts';

/** A Lua script as it is given to `defineCommand`. */
export interface RedisScript {
  readonly name: string;
  readonly keyCount: number;
  readonly lua: string;
}

/** What a script answers: nested arrays, bytes and integers. */
export type RedisReply = Buffer | number | null | readonly RedisReply[];

/** What every script begins with: the only clock that expiries are compared with, and exact integers as text. */
export const SCRIPT_CLOCK = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function text(number) return string.format('%.0f', number) end
`;

/** How long what a channel leaves behind (last tokens, the id of its last session) is kept after it was last touched. */
export const CHANNEL_KEEP_MS = 24 * 3_600_000;
/** How long nobody takes a lease after the store has been away, one TTL: holders that could not be heard come first. */
export const SETTLE_MS = LEASE_TTL_MS;
