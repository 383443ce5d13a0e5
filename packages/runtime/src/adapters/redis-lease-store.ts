import type {
  Lease,
  LeaseState,
  LeaseStore,
  SessionRef,
  Standby,
  StandbyState,
  UnclaimedSessions,
} from '../ports/lease-store.ts';
import {
  ACQUIRE_LEASE,
  ANNOUNCE_SUCCESSOR,
  CALL_SUCCESSOR,
  COMMIT_SUCCESSOR,
  LEASE_HOLDER,
  RELEASE_LEASE,
  RENEW_LEASE,
  STAND_BY,
  STAND_DOWN,
  TAKE_OVER_LEASE,
} from './redis/lease-scripts.ts';
import { UNCLAIMED_INDEX, redisKeys } from './redis/redis-keys.ts';
import { RequestIds } from './redis/request-ids.ts';
import type { RedisConnection } from './redis/redis-connection.ts';

/** Sessions that are looked at at a time. */
const MAX_SCRIPTS = 64;

/**
 * Leases in Redis: each change is one script.
 *
 * A lease that Redis has lost (flushed, failed over) is brought back by its holder's next renewal, with its token. After an
 * outage nobody takes a lease for one TTL. Calls fail with `REDIS_UNAVAILABLE` (retryable) within a second while Redis is away.
 */
export class RedisLeaseStore implements LeaseStore, UnclaimedSessions {
  readonly #redis: RedisConnection;
  readonly #requestIds = new RequestIds();

  constructor(options: { readonly redis: RedisConnection }) {
    this.#redis = options.redis;
  }

  async acquire(request: Omit<Lease, 'token'>): Promise<Lease | undefined> {
    const { channel, sessionId, workerId, from } = request;
    const token = await this.#requestIds.run(`acquire ${sessionId} ${workerId}`, (requestId) =>
      this.#redis.runIdempotent(ACQUIRE_LEASE, claimKeys(request), [
        ...[sessionId, workerId, from.k, from.part, requestId],
      ]),
    );
    if (typeof token === 'number') await this.withdraw([{ channel, sessionId }]).catch(() => undefined);
    return typeof token === 'number' ? { ...request, token } : undefined;
  }

  async renew({ channel, sessionId, workerId, token, from }: Lease): Promise<LeaseState> {
    const keys = [redisKeys.lease(channel), redisKeys.session(channel, sessionId)];
    const reply = await this.#redis.run(RENEW_LEASE, keys, [token, sessionId, workerId, from.k, from.part]);
    if (!Array.isArray(reply)) return { kind: reply === 1 ? 'held' : 'lost' };
    const [k, part] = reply;
    return { kind: 'handed-over', from: { k: Number(k), part: Number(part) } };
  }

  async callSuccessor({
    channel,
    sessionId,
    workerId = '',
  }: SessionRef & { readonly workerId?: string }): Promise<boolean> {
    const isCalled = await this.#redis.run(CALL_SUCCESSOR, [redisKeys.lease(channel)], [sessionId, workerId]);
    if (isCalled !== 1) return false;
    await this.#redis.do((client) => client.sadd(UNCLAIMED_INDEX, marshalRef({ channel, sessionId })));
    return true;
  }

  async announce(request: Omit<Lease, 'token'>): Promise<Lease | undefined> {
    const { channel, sessionId, workerId, from } = request;
    const args = [sessionId, workerId, from.k, from.part];
    const token = await this.#redis.run(ANNOUNCE_SUCCESSOR, [redisKeys.lease(channel)], args);
    return typeof token === 'number' ? { ...request, token } : undefined;
  }

  async commit({ channel, sessionId, token }: Lease): Promise<boolean> {
    if ((await this.#redis.runIdempotent(COMMIT_SUCCESSOR, [redisKeys.lease(channel)], [token])) !== 1)
      return false;
    await this.withdraw([{ channel, sessionId }]).catch(() => undefined);
    return true;
  }

  async standBy(standby: Standby): Promise<StandbyState> {
    const { sessionId, workerId } = standby;
    const reply = await this.#redis.run(STAND_BY, claimKeys(standby), [sessionId, workerId]);
    return reply === 1 ? 'standing-by' : reply === 2 ? 'wanted' : 'lost';
  }

  async takeOver(request: Omit<Lease, 'token'>): Promise<Lease | undefined> {
    const { channel, sessionId, workerId, from } = request;
    const token = await this.#requestIds.run(`take over ${sessionId} ${workerId}`, (requestId) =>
      this.#redis.runIdempotent(
        TAKE_OVER_LEASE,
        [redisKeys.lease(channel)],
        [sessionId, workerId, from.k, from.part, requestId],
      ),
    );
    if (typeof token === 'number') await this.withdraw([{ channel, sessionId }]).catch(() => undefined);
    return typeof token === 'number' ? { ...request, token } : undefined;
  }

  async standDown({ channel, sessionId, workerId }: Standby): Promise<void> {
    await this.#redis.run(STAND_DOWN, [redisKeys.lease(channel)], [sessionId, workerId]);
  }

  async release({ channel, token }: Pick<Lease, 'channel' | 'token'>): Promise<boolean> {
    return (await this.#redis.run(RELEASE_LEASE, [redisKeys.lease(channel)], [token])) === 1;
  }

  async offer(sessions: readonly SessionRef[]): Promise<void> {
    for (let from = 0; from < sessions.length; from += MAX_SCRIPTS) {
      const free = await Promise.all(
        sessions.slice(from, from + MAX_SCRIPTS).map(async ({ channel, sessionId }) => {
          const holder = await this.holderOf({ channel, sessionId });
          return holder === undefined ? [marshalRef({ channel, sessionId })] : [];
        }),
      );
      const members = free.flat();
      if (members.length > 0) await this.#redis.do((client) => client.sadd(UNCLAIMED_INDEX, ...members));
    }
  }

  async holderOf({ channel, sessionId }: SessionRef): Promise<string | undefined> {
    const worker = await this.#redis.run(LEASE_HOLDER, [redisKeys.lease(channel)], [sessionId]);
    return Buffer.isBuffer(worker) ? worker.toString() : undefined;
  }

  async withdraw(sessions: readonly SessionRef[]): Promise<void> {
    if (sessions.length === 0) return;
    await this.#redis.do((client) => client.srem(UNCLAIMED_INDEX, ...sessions.map(marshalRef)));
  }

  async unclaimed(): Promise<readonly SessionRef[]> {
    const members = await this.#redis.do((client) => client.smembers(UNCLAIMED_INDEX));
    return members.flatMap((member) => {
      const [channel = '', sessionId = ''] = member.split(':');
      return channel === '' || sessionId === '' ? [] : [{ channel, sessionId }];
    });
  }
}

/** The keys by which a claim is judged. */
function claimKeys({ channel, sessionId }: SessionRef): string[] {
  return [
    ...[redisKeys.lease(channel), redisKeys.publication(channel), redisKeys.sessionOf(channel)],
    redisKeys.session(channel, sessionId),
  ];
}

function marshalRef({ channel, sessionId }: SessionRef): string {
  return `${channel}:${sessionId}`;
}
