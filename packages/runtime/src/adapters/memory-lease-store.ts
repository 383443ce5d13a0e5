import type { Clock } from '../clock.ts';
import type {
  Lease,
  LeaseState,
  LeaseStore,
  SessionRef,
  Standby,
  StandbyState,
  UnclaimedSessions,
} from '../ports/lease-store.ts';
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
  /** Who stands by, by channel. */
  readonly #standbys = new Map<string, { readonly standby: Standby; readonly expiresAtMs: number }>();
  readonly #unclaimed = new Map<string, SessionRef>();
  #lastToken = 0;

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  async acquire(request: Omit<Lease, 'token'>): Promise<Lease | undefined> {
    const nowMs = this.#clock();
    if (this.#isHeld(request, nowMs) || this.#isKept(request, nowMs)) return undefined;
    return this.#give(request, nowMs);
  }

  async renew({ channel, token }: Lease): Promise<LeaseState> {
    const nowMs = this.#clock();
    const held = this.#held.get(channel);
    if (held?.predecessor === token) return { kind: 'handed-over', from: held.lease.from };
    if (held?.lease.token !== token) return { kind: 'lost' };
    held.expiresAtMs = nowMs + LEASE_TTL_MS;
    return { kind: 'held' };
  }

  async callSuccessor({
    channel,
    sessionId,
    workerId,
  }: SessionRef & { readonly workerId?: string }): Promise<boolean> {
    const held = this.#held.get(channel);
    if (held === undefined || !this.#isHeld({ channel, sessionId }, this.#clock())) return false;
    if (workerId !== undefined && held.lease.workerId !== workerId) return false;
    held.isCalled = true;
    this.#unclaimed.set(sessionId, { channel, sessionId });
    return true;
  }

  async announce(request: Omit<Lease, 'token'>): Promise<Lease | undefined> {
    const nowMs = this.#clock();
    const held = this.#held.get(request.channel);
    if (!this.#isHeld(request, nowMs) || held?.isCalled !== true || this.#isKept(request, nowMs))
      return undefined;
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

  async standBy(standby: Standby): Promise<StandbyState> {
    const nowMs = this.#clock();
    const held = this.#held.get(standby.channel);
    const isLed = this.#isHeld(standby, nowMs);
    if (isLed && held?.lease.workerId === standby.workerId) return 'lost';
    if (this.#isKept(standby, nowMs) || !(isLed || this.#isStandby(standby))) return 'lost';
    this.#standbys.set(standby.channel, { standby, expiresAtMs: nowMs + LEASE_TTL_MS });
    return isLed && held?.isCalled === false ? 'standing-by' : 'wanted';
  }

  async takeOver(request: Omit<Lease, 'token'>): Promise<Lease | undefined> {
    if (!this.#isStandby(request)) return undefined;
    this.#standbys.delete(request.channel);
    return this.#give(request, this.#clock());
  }

  async standDown(standby: Standby): Promise<void> {
    if (this.#isStandby(standby)) this.#standbys.delete(standby.channel);
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

  #give(request: Omit<Lease, 'token'>, nowMs: number): Lease {
    this.#forgetLapsed(nowMs);
    this.#unclaimed.delete(request.sessionId);
    const lease: Lease = { ...request, token: this.#nextToken(nowMs) };
    this.#held.set(request.channel, { lease, expiresAtMs: nowMs + LEASE_TTL_MS, isCalled: false });
    return lease;
  }

  /** True while another worker stands by for the session. */
  #isKept({ channel, sessionId, workerId }: Standby, nowMs: number): boolean {
    const kept = this.#standbys.get(channel);
    if (kept === undefined || kept.expiresAtMs <= nowMs || kept.standby.sessionId !== sessionId) return false;
    return kept.standby.workerId !== workerId;
  }

  /** True while the worker has the standby's place, also when it has lapsed and nobody took it. */
  #isStandby({ channel, sessionId, workerId }: Standby): boolean {
    const kept = this.#standbys.get(channel)?.standby;
    return kept?.sessionId === sessionId && kept.workerId === workerId;
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
    for (const [channel, { expiresAtMs }] of this.#standbys) {
      if (expiresAtMs + FORGOTTEN_AFTER_MS <= nowMs) this.#standbys.delete(channel);
    }
  }
}
