import { control, session } from '@millrace/contracts';
import { MAX_RECENT_PERIODS, SESSION_RULES } from '../session-rules.ts';
import { SESSIONS_CHANNEL } from './redis-keys.ts';
import { CHANNEL_KEEP_MS, SCRIPT_CLOCK, SETTLE_MS } from './redis-script.ts';
import type { RedisScript } from './redis-script.ts';

const { publicationTtlMs, lapseMs, takeBackHoldMs, takeoverLimit, takeoverWindowMs, endedRetentionMs } =
  SESSION_RULES;
const { LIVE, GAP, ENDED } = session.SessionState;

/**
 * The part that the session scripts share. KEYS are session-of, publication and untold of one channel; ARGV[1] is the channel.
 * The key of a record is made here, since only the script knows which session is the newest: it bears the same hash tag.
 */
const CHANNEL = `${SCRIPT_CLOCK}
local channel = ARGV[1]
local session_of, publication, untold = KEYS[1], KEYS[2], KEYS[3]
local function record_key(id) return 'session:{' .. channel .. '}:' .. id end
local function record(id) return redis.call('HGETALL', record_key(id)) end
local function announce(id, revision)
  redis.call('PUBLISH', '${SESSIONS_CHANNEL}', channel .. ':' .. id .. ':' .. revision)
end
local function change(id, ...)
  local key = record_key(id)
  redis.call('HSET', key, ...)
  local revision = redis.call('HINCRBY', key, 'revision', 1)
  redis.call('PEXPIRE', key, ${CHANNEL_KEEP_MS})
  announce(id, revision)
end
local function keep() 
  redis.call('PEXPIRE', session_of, ${CHANNEL_KEEP_MS})
  redis.call('PEXPIRE', publication, ${CHANNEL_KEEP_MS})
end
-- A publication past its TTL, and so long after that was noticed: gap, from now: a store that was away for longer than the grace
-- time ends nothing. A gap past the grace time: ended. Answers the state, and whether it changed.
local function expire(id, lapse_ms)
  local state, since, grace = unpack(redis.call('HMGET', record_key(id), 'state', 'stateSinceMs', 'graceSeconds'))
  if not state then return nil, false end
  local held, expires_at, lapsed_at = unpack(redis.call('HMGET', publication, 'held', 'expiresAtMs', 'lapsedAtMs'))
  local has_changed = false
  if held == '1' and tonumber(expires_at) <= now then
    if not lapsed_at or tonumber(lapsed_at) < tonumber(expires_at) then
      lapsed_at = now
      redis.call('HSET', publication, 'lapsedAtMs', text(now))
    end
    if now - lapsed_at >= lapse_ms then
      redis.call('HSET', publication, 'held', '0')
      held = '0'
    end
  end
  if state == '${LIVE}' and held ~= '1' then
    change(id, 'state', '${GAP}', 'stateSinceMs', text(now), 'settledAtMs', text(now + ${SETTLE_MS}))
    state, since, has_changed = '${GAP}', now, true
  end
  if state == '${GAP}' and held ~= '1' and now - since >= grace * 1000 then
    change(id, 'state', '${ENDED}', 'stateSinceMs', text(now))
    redis.call('PEXPIRE', record_key(id), ${endedRetentionMs})
    state, has_changed = '${ENDED}', true
  end
  return state, has_changed
end
`;

/** ARGV[2], [3]: token, revision of the record as the writer knows it. Says whether the token holds the channel. */
const HOLDER = `
local mine, known = tonumber(ARGV[2]), tonumber(ARGV[3])
local token, held = unpack(redis.call('HMGET', publication, 'token', 'held'))
token = tonumber(token)
local id = redis.call('GET', session_of)
local revision = id and tonumber(redis.call('HGET', record_key(id), 'revision'))
-- What is missing here, or is older than what the store has told the writer, the store has lost: the writer brings it back.
if not token or token < mine then return { 'missing' } end
if token > mine or held ~= '1' then return { 'lost' } end
if not revision or revision < known then return { 'missing' } end
`;

/**
 * channel, policy is reject, grace in s, ingest, its address, role, encoder, request, random part of a ULID, preference is equal,
 * session that the claimant knows as open or '' → outcome, then records; 'missing' when the store has lost that session.
 */
export const CLAIM_PUBLICATION: RedisScript = {
  name: 'millraceClaimPublication',
  keyCount: 4,
  lua: `${CHANNEL}
local takeovers = KEYS[4]
local is_reject, grace, ingest, address, role, encoder, request, random, is_equal, known_id = unpack(ARGV, 2, 11)
local before = redis.call('HMGET', publication, 'token', 'held', 'encoder', 'request', 'isNew', 'replaced', 'role', 'idle',
  'isFailover')
local id = redis.call('GET', session_of)
-- The answer to an earlier attempt was lost on the way.
if before[2] == '1' and before[4] == request and id then
  redis.call('HSET', publication, 'expiresAtMs', text(now + ${publicationTtlMs}))
  return { 'accepted', before[1], before[5], before[6], before[8], before[9], record(id) }
end
if known_id ~= '' and (not id or id < known_id or not redis.call('HGET', record_key(known_id), 'revision')) then
  return { 'missing' }
end
local state, has_changed = nil, false
if id then
  state, has_changed = expire(id, before[7] == role and 0 or ${lapseMs})
  if has_changed and state == '${ENDED}' then
    redis.call('RPUSH', untold, id)
    redis.call('PEXPIRE', untold, ${endedRetentionMs})
  end
end
local changed = has_changed and { record(id) } or {}
local is_held = state and redis.call('HGET', publication, 'held') == '1'

if is_held and before[7] ~= role then
  -- The backup steps back for the primary; nobody has taken anything over.
  if role ~= '${control.PublishRole.PRIMARY}' or is_equal == '1' then
    return { 'refused', 'standby', '0', '', '', '0', unpack(changed) }
  end
elseif is_held then
  local encoders, times, flat = {}, {}, redis.call('HGETALL', takeovers)
  for i = 1, #flat, 2 do
    if flat[i] == 'times' then
      for at in string.gmatch(flat[i + 1], '%d+') do
        if now - at < ${takeoverWindowMs} then times[#times + 1] = tonumber(at) end
      end
    elseif now - flat[i + 1] < ${takeBackHoldMs} then
      encoders[flat[i]] = tonumber(flat[i + 1])
    end
  end
  while #times > ${takeoverLimit} do table.remove(times, 1) end
  local refusal
  if is_reject == '1' then
    refusal = 'in-use'
  elseif encoders['encoder ' .. encoder] then
    encoders['encoder ' .. encoder] = now
    refusal = 'taken-over'
  elseif #times >= ${takeoverLimit} then
    for i = 1, #times do times[i] = now end
    refusal = 'too-many-takeovers'
  else
    if before[3] ~= encoder then encoders['encoder ' .. before[3]] = now end
    times[#times + 1] = now
  end
  redis.call('DEL', takeovers)
  for i = 1, #times do times[i] = text(times[i]) end
  redis.call('HSET', takeovers, 'times', table.concat(times, ','))
  for name, at in pairs(encoders) do redis.call('HSET', takeovers, name, text(at)) end
  redis.call('PEXPIRE', takeovers, ${Math.max(takeoverWindowMs, takeBackHoldMs)})
  if refusal then return { 'refused', refusal, '0', '', '', '0', unpack(changed) } end
end

local token = math.max(tonumber(before[1] or 0) + 1, now)
local is_new = not (state == '${LIVE}' or state == '${GAP}')
local replaced = is_held and before[1] or ''
local is_failover = not is_new and before[7] and before[7] ~= role and '1' or '0'
-- A publication that was given up expires a TTL after that.
local idle = '0'
if state == '${GAP}' then
  idle = text(now - tonumber(redis.call('HGET', publication, 'expiresAtMs') or now) + ${publicationTtlMs})
end
redis.call('HSET', publication, 'token', text(token), 'held', '1', 'expiresAtMs', text(now + ${publicationTtlMs}),
  'ingest', ingest, 'role', role, 'encoder', encoder, 'request', request, 'isNew', is_new and '1' or '0', 'replaced', replaced, 'idle', idle, 'isFailover', is_failover)
if is_new then
  -- The time in a ULID is that of the store, and like the token it never steps back: the newer session has the greater id.
  local digits, rest, prefix = '0123456789ABCDEFGHJKMNPQRSTVWXYZ', token, ''
  for _ = 1, 10 do
    local digit = rest % 32
    prefix = string.sub(digits, digit + 1, digit + 1) .. prefix
    rest = (rest - digit) / 32
  end
  id = prefix .. random
  redis.call('SET', session_of, id)
  change(id, 'sessionId', id, 'channel', channel, 'state', '${LIVE}', 'openedAtMs', text(now), 'stateSinceMs', text(now),
    'graceSeconds', grace, 'currentK', '0', 'ingestId', ingest, 'ingestAddress', address, 'encoder', encoder)
elseif state ~= '${LIVE}' then
  change(id, 'state', '${LIVE}', 'stateSinceMs', text(now), 'ingestId', ingest, 'ingestAddress', address,
    'encoder', encoder)
else
  local known = redis.call('HMGET', record_key(id), 'ingestId', 'ingestAddress', 'encoder')
  if known[1] ~= ingest or known[2] ~= address or known[3] ~= encoder then
    change(id, 'ingestId', ingest, 'ingestAddress', address, 'encoder', encoder)
  end
end
keep()
-- The session that goes on is told once, as it is now.
if is_new then changed[#changed + 1] = record(id) else changed = { record(id) } end
return { 'accepted', text(token), is_new and '1' or '0', replaced, idle, is_failover, unpack(changed) }
`,
};

/** channel, token, revision → 'held', 'lost' or 'missing'. */
export const RENEW_PUBLICATION: RedisScript = {
  name: 'millraceRenewPublication',
  keyCount: 3,
  lua: `${CHANNEL}${HOLDER}
if tonumber(redis.call('HGET', publication, 'expiresAtMs')) <= now then
  -- Nobody could renew for a while, so leases lapsed as well: those who hold them get the time to say so.
  redis.call('HSET', record_key(id), 'settledAtMs', text(now + ${SETTLE_MS}))
end
redis.call('HSET', publication, 'expiresAtMs', text(now + ${publicationTtlMs}))
keep()
return { 'held' }
`,
};

/** channel, token, revision → 'held' and the record, 'lost' or 'missing'. */
export const RELEASE_PUBLICATION: RedisScript = {
  name: 'millraceReleasePublication',
  keyCount: 3,
  lua: `${CHANNEL}${HOLDER}
redis.call('HSET', publication, 'held', '0', 'expiresAtMs', text(now + ${publicationTtlMs}))
change(id, 'state', '${GAP}', 'stateSinceMs', text(now))
keep()
return { 'held', record(id) }
`,
};

/**
 * channel, token, revision, K or '', presentation or '', period to open: ordinal, bytes, last K or ''; period to end: ordinal,
 * last K; packagers or '' → 'held' and the record, 'lost' or 'missing'. The same change once more changes nothing.
 */
export const UPDATE_SESSION: RedisScript = {
  name: 'millraceUpdateSession',
  keyCount: 3,
  lua: `${CHANNEL}${HOLDER}
local k, presentation, open, period, open_last, finish, finish_last, packagers = unpack(ARGV, 4, 11)
local key = record_key(id)
local fields = {}
local function set(name, value) fields[#fields + 1] = name; fields[#fields + 1] = value end
if k ~= '' and tonumber(k) > tonumber(redis.call('HGET', key, 'currentK')) then set('currentK', k) end
if presentation ~= '' and redis.call('HEXISTS', key, 'presentation') == 0 then set('presentation', presentation) end
if packagers ~= '' and redis.call('HEXISTS', key, 'packagers') == 0 then
  set('placementEpoch', '1')
  set('packagers', packagers)
end
if finish ~= '' and redis.call('HEXISTS', key, 'period ' .. finish) == 1
  and redis.call('HGET', key, 'lastK ' .. finish) ~= finish_last then
  set('lastK ' .. finish, finish_last)
end
local dropped = {}
local ordinals, newest = {}, -1
for ordinal in string.gmatch(redis.call('HGET', key, 'periods') or '', '%d+') do
  ordinals[#ordinals + 1] = ordinal
  newest = tonumber(ordinal)
end
if open ~= '' and tonumber(open) > newest then
  ordinals[#ordinals + 1] = open
  while #ordinals > ${MAX_RECENT_PERIODS} do
    local oldest = table.remove(ordinals, 1)
    dropped[#dropped + 1] = 'period ' .. oldest
    dropped[#dropped + 1] = 'lastK ' .. oldest
  end
  set('periods', table.concat(ordinals, ','))
  set('period ' .. open, period)
  if open_last ~= '' then set('lastK ' .. open, open_last) end
end
if #fields > 0 then change(id, unpack(fields)) end
if #dropped > 0 then redis.call('HDEL', key, unpack(dropped)) end
keep()
return { 'held', record(id) }
`,
};

/** channel, session, epoch, packagers → '1' and the record, or '0'. The same move once more changes nothing. */
export const PLACE_SESSION: RedisScript = {
  name: 'millracePlaceSession',
  keyCount: 3,
  lua: `${CHANNEL}
local id, epoch, packagers = unpack(ARGV, 2, 4)
if redis.call('GET', session_of) ~= id then return { '0' } end
local known = redis.call('HMGET', record_key(id), 'placementEpoch', 'packagers')
local known_epoch = tonumber(known[1] or 0)
if tonumber(epoch) == known_epoch then return { known[2] == packagers and '1' or '0', record(id) } end
if tonumber(epoch) ~= known_epoch + 1 then return { '0' } end
change(id, 'placementEpoch', epoch, 'packagers', packagers)
keep()
return { '1', record(id) }
`,
};

/** channel → records that changed, then those that a claim has ended since the last sweep. */
export const SWEEP_SESSION: RedisScript = {
  name: 'millraceSweepSession',
  keyCount: 3,
  lua: `${CHANNEL}
local told = {}
local id = redis.call('GET', session_of)
if id then
  local _, has_changed = expire(id, ${lapseMs})
  if has_changed then told[1] = record(id) end
end
for _, ended in ipairs(redis.call('LRANGE', untold, 0, -1)) do
  local fields = record(ended)
  if #fields > 0 then told[#told + 1] = fields end
end
redis.call('DEL', untold)
return told
`,
};

/**
 * channel, token, is held, session, revision, encoder, ingest, role, request, then the fields of the record → 'restored' and the
 * record, 'there' and the record, or 'lost'. Brings back what a store that was emptied, or fell back, does not have.
 */
export const RESTORE_SESSION: RedisScript = {
  name: 'millraceRestoreSession',
  keyCount: 3,
  lua: `${CHANNEL}
local mine, is_held, id, known, encoder, ingest, role, request = unpack(ARGV, 2, 9)
local token, held = unpack(redis.call('HMGET', publication, 'token', 'held'))
local newest = redis.call('GET', session_of)
if token and tonumber(token) > tonumber(mine) then return { 'lost' } end
-- A session that was opened meanwhile is there to stay: ids are in the order in which they were opened.
if newest and newest > id then return { 'lost' } end
local revision = redis.call('HGET', record_key(id), 'revision')
local is_there = newest == id and revision and tonumber(revision) >= tonumber(known)
if is_there and token and tonumber(token) == tonumber(mine) then
  return { held == is_held and 'there' or 'lost', record(id) }
end
if not is_there then
  redis.call('DEL', record_key(id))
  redis.call('SET', session_of, id)
  redis.call('HSET', record_key(id), 'revision', known)
  change(id, 'settledAtMs', text(now + ${SETTLE_MS}), unpack(ARGV, 10))
  -- Nobody could come back while the store was away: a gap begins anew.
  if is_held ~= '1' then redis.call('HSET', record_key(id), 'stateSinceMs', text(now)) end
elseif is_held == '1' and redis.call('HGET', record_key(id), 'state') == '${GAP}' then
  -- Somebody who does not hold it was first to bring it back.
  change(id, 'state', '${LIVE}', 'stateSinceMs', text(now))
end
redis.call('HSET', publication, 'token', mine, 'held', is_held, 'expiresAtMs', text(now + ${publicationTtlMs}),
  'encoder', encoder, 'ingest', ingest, 'role', role, 'request', request, 'isNew', '0', 'replaced', '', 'idle', '0', 'isFailover', '0')
keep()
return { 'restored', record(id) }
`,
};
