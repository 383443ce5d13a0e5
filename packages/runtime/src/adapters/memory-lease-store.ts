import type { Clock } from '../clock.ts';
import type { Lease, LeaseStore } from '../ports/lease-store.ts';

/** How long a lease lives without renewal. */
const LEASE_TTL_MS = 3000;

/** Leases of one process; the rules are those of every lease store. */
export class MemoryLeaseStore implements LeaseStore {
  readonly #clock: Clock;
  readonly #held = new Map<string, { readonly lease: Lease; expiresAtMs: number }>();
  #lastToken = 0;

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  async acquire(request: Omit<Lease, 'token'>): Promise<Lease | undefined> {
    const nowMs = this.#clock();
    const held = this.#held.get(request.channel);
    if (held !== undefined && held.lease.sessionId === request.sessionId && held.expiresAtMs > nowMs)
      return undefined;
    this.#forgetExpired(nowMs);
    this.#lastToken = Math.max(this.#lastToken + 1, nowMs);
    const lease: Lease = { ...request, token: this.#lastToken };
    this.#held.set(request.channel, { lease, expiresAtMs: nowMs + LEASE_TTL_MS });
    return lease;
  }

  async renew(lease: Lease): Promise<boolean> {
    const nowMs = this.#clock();
    const held = this.#held.get(lease.channel);
    if (held === undefined || held.lease.token !== lease.token || held.expiresAtMs <= nowMs) return false;
    held.expiresAtMs = nowMs + LEASE_TTL_MS;
    return true;
  }

  async release(lease: Lease): Promise<void> {
    if (this.#held.get(lease.channel)?.lease.token === lease.token) this.#held.delete(lease.channel);
  }

  #forgetExpired(nowMs: number): void {
    for (const [channel, held] of this.#held) if (held.expiresAtMs <= nowMs) this.#held.delete(channel);
  }
}
