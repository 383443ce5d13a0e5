import type { Clock } from '../clock.ts';
import type { Lease, LeaseStore, SessionRef, UnclaimedSessions } from '../ports/lease-store.ts';
import { LEASE_TTL_MS } from './lease-rules.ts';

/** A lease that lapsed this long ago is forgotten, and cannot be renewed any more. */
const FORGOTTEN_AFTER_MS = 10 * 60_000;

/** Leases of one process; the rules are those of every lease store. */
export class MemoryLeaseStore implements LeaseStore, UnclaimedSessions {
  readonly #clock: Clock;
  readonly #held = new Map<string, { readonly lease: Lease; expiresAtMs: number }>();
  readonly #unclaimed = new Map<string, SessionRef>();
  #lastToken = 0;

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  async acquire(request: Omit<Lease, 'token'>): Promise<Lease | undefined> {
    const nowMs = this.#clock();
    if (this.#isHeld(request, nowMs)) return undefined;
    this.#forgetLapsed(nowMs);
    this.#unclaimed.delete(request.sessionId);
    this.#lastToken = Math.max(this.#lastToken + 1, nowMs);
    const lease: Lease = { ...request, token: this.#lastToken };
    this.#held.set(request.channel, { lease, expiresAtMs: nowMs + LEASE_TTL_MS });
    return lease;
  }

  async renew(lease: Lease): Promise<boolean> {
    const nowMs = this.#clock();
    const held = this.#held.get(lease.channel);
    if (held?.lease.token !== lease.token) return false;
    held.expiresAtMs = nowMs + LEASE_TTL_MS;
    return true;
  }

  async release({ channel, token }: Pick<Lease, 'channel' | 'token'>): Promise<boolean> {
    return this.#held.get(channel)?.lease.token === token && this.#held.delete(channel);
  }

  async offer(sessions: readonly SessionRef[]): Promise<void> {
    const nowMs = this.#clock();
    for (const session of sessions) {
      if (!this.#isHeld(session, nowMs)) this.#unclaimed.set(session.sessionId, session);
    }
  }

  async withdraw(sessions: readonly SessionRef[]): Promise<void> {
    for (const { sessionId } of sessions) this.#unclaimed.delete(sessionId);
  }

  async unclaimed(): Promise<readonly SessionRef[]> {
    return [...this.#unclaimed.values()];
  }

  #isHeld({ channel, sessionId }: SessionRef, nowMs: number): boolean {
    const held = this.#held.get(channel);
    return held !== undefined && held.lease.sessionId === sessionId && held.expiresAtMs > nowMs;
  }

  #forgetLapsed(nowMs: number): void {
    for (const [channel, { expiresAtMs }] of this.#held) {
      if (expiresAtMs + FORGOTTEN_AFTER_MS <= nowMs) this.#held.delete(channel);
    }
  }
}
