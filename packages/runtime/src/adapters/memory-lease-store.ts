import type { Clock } from '../clock.ts';
import type { Lease, LeaseState, LeaseStore, SessionRef, UnclaimedSessions } from '../ports/lease-store.ts';
import { ANNOUNCEMENT_TTL_MS, LEASE_TTL_MS } from './lease-rules.ts';

/** A lease that lapsed this long ago is forgotten, and cannot be renewed any more. */
const FORGOTTEN_AFTER_MS = 10 * 60_000;

interface Held {
  readonly lease: Lease;
  expiresAtMs: number;
  /** A successor is called for. */
  isCalled: boolean;
  /** Who announced itself as successor, and until when it keeps others out. */
  announced?: { readonly lease: Lease; readonly untilMs: number };
  /** The token of the holder before, after a handover. */
  readonly predecessor?: number;
}

/** Leases of one process; the rules are those of every lease store. */
export class MemoryLeaseStore implements LeaseStore, UnclaimedSessions {
  readonly #clock: Clock;
  readonly #held = new Map<string, Held>();
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
    const lease: Lease = { ...request, token: this.#nextToken(nowMs) };
    this.#held.set(request.channel, { lease, expiresAtMs: nowMs + LEASE_TTL_MS, isCalled: false });
    return lease;
  }

  async renew({ channel, token }: Lease): Promise<LeaseState> {
    const nowMs = this.#clock();
    const held = this.#held.get(channel);
    if (held?.predecessor === token) return { kind: 'handed-over', from: held.lease.from };
    if (held?.lease.token !== token) return { kind: 'lost' };
    held.expiresAtMs = nowMs + LEASE_TTL_MS;
    return { kind: 'held' };
  }

  async callSuccessor(session: SessionRef): Promise<boolean> {
    if (!this.#isHeld(session, this.#clock())) return false;
    const held = this.#held.get(session.channel);
    if (held !== undefined) held.isCalled = true;
    this.#unclaimed.set(session.sessionId, session);
    return true;
  }

  async announce(request: Omit<Lease, 'token'>): Promise<Lease | undefined> {
    const nowMs = this.#clock();
    const held = this.#held.get(request.channel);
    if (!this.#isHeld(request, nowMs) || held?.isCalled !== true) return undefined;
    if (held.lease.workerId === request.workerId || (held.announced?.untilMs ?? 0) > nowMs) return undefined;
    const lease: Lease = { ...request, token: this.#nextToken(nowMs) };
    held.announced = { lease, untilMs: nowMs + ANNOUNCEMENT_TTL_MS };
    return lease;
  }

  async commit({ channel, sessionId, token }: Lease): Promise<boolean> {
    const nowMs = this.#clock();
    const held = this.#held.get(channel);
    const announced = held?.announced;
    if (held === undefined || announced?.lease.token !== token || announced.untilMs <= nowMs) return false;
    this.#unclaimed.delete(sessionId);
    this.#held.set(channel, {
      ...{ lease: announced.lease, expiresAtMs: nowMs + LEASE_TTL_MS, isCalled: false },
      predecessor: held.lease.token,
    });
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

  async holderOf(session: SessionRef): Promise<string | undefined> {
    return this.#isHeld(session, this.#clock()) ? this.#held.get(session.channel)?.lease.workerId : undefined;
  }

  async withdraw(sessions: readonly SessionRef[]): Promise<void> {
    for (const { sessionId } of sessions) this.#unclaimed.delete(sessionId);
  }

  async unclaimed(): Promise<readonly SessionRef[]> {
    return [...this.#unclaimed.values()];
  }

  #nextToken(nowMs: number): number {
    this.#lastToken = Math.max(this.#lastToken + 1, nowMs);
    return this.#lastToken;
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
