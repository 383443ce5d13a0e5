import { session } from '@millrace/contracts';
import { CHANNEL_KEEP_MS, SCRIPT_CLOCK } from './redis-script.ts';
import type { RedisScript } from './redis-script.ts';
import { ANNOUNCEMENT_TTL_MS, LEASE_TTL_MS } from '../lease-rules.ts';

/** `standing_by(lease, id)` is the worker that stands by for a session, or nil. */
const STANDING_BY = `
local function standing_by(lease, id)
  local worker, session, until_ms = unpack(redis.call('HMGET', lease, 'standby', 'standbySession', 'standbyUntilMs'))
  if worker and session == id and tonumber(until_ms) > now then return worker end
  return nil
end
`;

/** Answers a request again whose answer was lost; `last`, the token, and `last_request` are set. */
const ANSWER_AGAIN = `
if last_request == request and redis.call('HGET', lease, 'held') == '1' then
  redis.call('HSET', lease, 'expiresAtMs', text(now + ${LEASE_TTL_MS}))
  return tonumber(last)
end
`;

/** Gives the lease to a worker; `id`, `worker`, `k`, `part`, `request` and `last`, the token before, are set. */
const GIVE_LEASE = `
local announced = redis.call('HGET', lease, 'nextToken')
local token = math.max(tonumber(last or 0) + 1, tonumber(announced or 0) + 1, now)
redis.call('HDEL', lease, 'called', 'predecessor', 'nextUntilMs', 'standby', 'standbySession', 'standbyUntilMs')
redis.call('HSET', lease, 'token', text(token), 'held', '1', 'session', id, 'worker', worker, 'k', k, 'part', part,
  'request', request, 'expiresAtMs', text(now + ${LEASE_TTL_MS}))
redis.call('PEXPIRE', lease, ${CHANNEL_KEEP_MS})
return token
`;

/**
 * KEYS lease, publication, session-of, record; ARGV session, worker, K, part, request → token, or nil when it is held.
 *
 * After the store was away nobody takes a lease for one TTL: whoever has it could not renew it, and says so first.
 */
export const ACQUIRE_LEASE: RedisScript = {
  name: 'millraceAcquireLease',
  keyCount: 4,
  lua: `${SCRIPT_CLOCK}${STANDING_BY}
local lease, publication, session_of, record = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, worker, k, part, request = unpack(ARGV)
local last, held, holder_session, expires_at, last_request =
  unpack(redis.call('HMGET', lease, 'token', 'held', 'session', 'expiresAtMs', 'request'))
${ANSWER_AGAIN}
-- Of a channel the newest session alone is worked for: whoever has not heard of it yet takes nothing from it.
local newest = redis.call('GET', session_of)
if newest and newest ~= id then return false end
if held == '1' and holder_session == id and tonumber(expires_at) > now then return false end
if (standing_by(lease, id) or worker) ~= worker then return false end
local settled = redis.call('HGET', record, 'settledAtMs')
if settled and now < tonumber(settled) then return false end
local is_publishing, published_until = unpack(redis.call('HMGET', publication, 'held', 'expiresAtMs'))
-- Held and not renewed, and no sweep has seen it yet: the store is just back.
if is_publishing == '1' and tonumber(published_until) <= now and newest == id then return false end
${GIVE_LEASE}`,
};

/**
 * KEYS lease, record; ARGV token, session, worker, K, part → 1, 0 when it was lost, or {K, part} when a successor has it from there.
 *
 * A lease that lapsed and that nobody took is held again; one that the store has lost is brought back, with its token.
 */
export const RENEW_LEASE: RedisScript = {
  name: 'millraceRenewLease',
  keyCount: 2,
  lua: `${SCRIPT_CLOCK}
local lease, record = KEYS[1], KEYS[2]
local mine, id, worker, k, part = unpack(ARGV)
local token, held, predecessor, from_k, from_part =
  unpack(redis.call('HMGET', lease, 'token', 'held', 'predecessor', 'k', 'part'))
if predecessor == mine then return {tonumber(from_k), tonumber(from_part)} end
if token and tonumber(token) > tonumber(mine) then return 0 end
if token == mine and held ~= '1' then return 0 end
if token ~= mine then
  if redis.call('HGET', record, 'state') == '${session.SessionState.ENDED}' then return 0 end
  -- The successor has begun, and its commit never came.
  if token and redis.call('HGET', lease, 'nextToken') == mine then
    redis.call('HSET', lease, 'predecessor', token)
    redis.call('HDEL', lease, 'called', 'nextUntilMs')
  end
  redis.call('HSET', lease, 'token', mine, 'held', '1', 'session', id, 'worker', worker, 'k', k, 'part', part, 'request', '')
end
redis.call('HSET', lease, 'expiresAtMs', text(now + ${LEASE_TTL_MS}))
redis.call('PEXPIRE', lease, ${CHANNEL_KEEP_MS})
return 1
`,
};

/** KEYS lease; ARGV token → 1, or 0 when it was not held by it. The token stays, so that neither a late renewal nor the next holder goes below it. */
export const RELEASE_LEASE: RedisScript = {
  name: 'millraceReleaseLease',
  keyCount: 1,
  lua: `
local token, held = unpack(redis.call('HMGET', KEYS[1], 'token', 'held'))
if token ~= ARGV[1] or held ~= '1' then return 0 end
redis.call('HSET', KEYS[1], 'held', '0')
return 1
`,
};

/** KEYS lease; ARGV session → the worker that holds it, or nil. */
export const LEASE_HOLDER: RedisScript = {
  name: 'millraceLeaseHolder',
  keyCount: 1,
  lua: `${SCRIPT_CLOCK}
local held, id, worker, expires_at = unpack(redis.call('HMGET', KEYS[1], 'held', 'session', 'worker', 'expiresAtMs'))
if held == '1' and id == ARGV[1] and tonumber(expires_at) > now then return worker end
return false
`,
};

/** KEYS lease; ARGV session, worker or an empty text for any → 1, or 0 when nobody holds it, or not that worker. */
export const CALL_SUCCESSOR: RedisScript = {
  name: 'millraceCallSuccessor',
  keyCount: 1,
  lua: `${SCRIPT_CLOCK}
local held, id, worker, expires_at = unpack(redis.call('HMGET', KEYS[1], 'held', 'session', 'worker', 'expiresAtMs'))
if held ~= '1' or id ~= ARGV[1] or tonumber(expires_at) <= now then return 0 end
if ARGV[2] ~= '' and worker ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'called', '1')
return 1
`,
};

/** KEYS lease; ARGV session, worker, K, part → token, or nil when no successor is wanted, or not this one. */
export const ANNOUNCE_SUCCESSOR: RedisScript = {
  name: 'millraceAnnounceSuccessor',
  keyCount: 1,
  lua: `${SCRIPT_CLOCK}${STANDING_BY}
local lease = KEYS[1]
local id, worker, k, part = unpack(ARGV)
local token, held, holder_session, holder, expires_at, called, announced, until_ms = unpack(redis.call('HMGET', lease,
  'token', 'held', 'session', 'worker', 'expiresAtMs', 'called', 'nextToken', 'nextUntilMs'))
if held ~= '1' or holder_session ~= id or tonumber(expires_at) <= now then return false end
if called ~= '1' or holder == worker or (until_ms and tonumber(until_ms) > now) then return false end
if (standing_by(lease, id) or worker) ~= worker then return false end
local next_token = math.max(tonumber(token) + 1, tonumber(announced or 0) + 1, now)
redis.call('HSET', lease, 'nextToken', text(next_token), 'nextWorker', worker, 'nextK', k, 'nextPart', part,
  'nextUntilMs', text(now + ${ANNOUNCEMENT_TTL_MS}))
return next_token
`,
};

/** KEYS lease; ARGV token → 1, or 0 when the announcement counts no more. */
export const COMMIT_SUCCESSOR: RedisScript = {
  name: 'millraceCommitSuccessor',
  keyCount: 1,
  lua: `${SCRIPT_CLOCK}
local lease = KEYS[1]
local token, held, announced, worker, k, part, until_ms = unpack(redis.call('HMGET', lease,
  'token', 'held', 'nextToken', 'nextWorker', 'nextK', 'nextPart', 'nextUntilMs'))
if held ~= '1' then return 0 end
-- The answer to a commit may have been lost.
if token == ARGV[1] then return 1 end
if announced ~= ARGV[1] or not until_ms or tonumber(until_ms) <= now then return 0 end
redis.call('HSET', lease, 'token', announced, 'held', '1', 'worker', worker, 'k', k, 'part', part, 'request', '',
  'predecessor', token, 'expiresAtMs', text(now + ${LEASE_TTL_MS}))
redis.call('HDEL', lease, 'called', 'nextUntilMs')
redis.call('PEXPIRE', lease, ${CHANNEL_KEEP_MS})
return 1
`,
};

/**
 * KEYS lease, publication, session-of, record; ARGV session, worker → 1 standing by, 2 wanted, 0 without a place.
 *
 * After the store was away a leader that could not be heard is not taken for one that is gone.
 */
export const STAND_BY: RedisScript = {
  name: 'millraceStandBy',
  keyCount: 4,
  lua: `${SCRIPT_CLOCK}${STANDING_BY}
local lease, publication, session_of, record = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, worker = unpack(ARGV)
local held, holder_session, holder, expires_at, called, mine, my_session = unpack(redis.call('HMGET', lease,
  'held', 'session', 'worker', 'expiresAtMs', 'called', 'standby', 'standbySession'))
local is_led = held == '1' and holder_session == id and tonumber(expires_at) > now
if is_led and holder == worker then return 0 end
if (standing_by(lease, id) or worker) ~= worker then return 0 end
if not is_led and not (mine == worker and my_session == id) then return 0 end
redis.call('HSET', lease, 'standby', worker, 'standbySession', id, 'standbyUntilMs', text(now + ${LEASE_TTL_MS}))
redis.call('PEXPIRE', lease, ${CHANNEL_KEEP_MS})
if is_led then return called == '1' and 2 or 1 end
local settled = redis.call('HGET', record, 'settledAtMs')
if settled and now < tonumber(settled) then return 1 end
local is_publishing, published_until = unpack(redis.call('HMGET', publication, 'held', 'expiresAtMs'))
if is_publishing == '1' and tonumber(published_until) <= now and redis.call('GET', session_of) == id then return 1 end
return 2
`,
};

/** KEYS lease; ARGV session, worker, K, part, request → token, or nil when the worker has no standby's place. */
export const TAKE_OVER_LEASE: RedisScript = {
  name: 'millraceTakeOverLease',
  keyCount: 1,
  lua: `${SCRIPT_CLOCK}
local lease = KEYS[1]
local id, worker, k, part, request = unpack(ARGV)
local last, last_request, mine, my_session =
  unpack(redis.call('HMGET', lease, 'token', 'request', 'standby', 'standbySession'))
${ANSWER_AGAIN}
if mine ~= worker or my_session ~= id then return false end
${GIVE_LEASE}`,
};

/** KEYS lease; ARGV session, worker: the standby's place is free, if it was this worker's. */
export const STAND_DOWN: RedisScript = {
  name: 'millraceStandDown',
  keyCount: 1,
  lua: `
local mine, my_session = unpack(redis.call('HMGET', KEYS[1], 'standby', 'standbySession'))
if mine == ARGV[2] and my_session == ARGV[1] then
  redis.call('HDEL', KEYS[1], 'standby', 'standbySession', 'standbyUntilMs')
end
return 1
`,
};
