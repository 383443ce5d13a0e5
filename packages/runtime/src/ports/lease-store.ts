import type { sink } from '@millrace/contracts';

/** The right to author a session from a position on. */
export interface Lease {
  /** The channel's name. */
  readonly channel: string;
  /** The session. */
  readonly sessionId: string;
  /** Fencing token: `max(last + 1, store time in ms)`, so that a store that lost its data cannot issue a lower one. */
  readonly token: number;
  /** The worker that holds it. */
  readonly workerId: string;
  /** First position the token rules. */
  readonly from: sink.Position;
}

/** Leases of sessions: TTL 3 s, renewed every 500 ms. */
export interface LeaseStore {
  /** Takes the lease of a session; `undefined` when another worker holds it. */
  acquire(request: Omit<Lease, 'token'>): Promise<Lease | undefined>;
  /** Renews; false when the lease was lost. */
  renew(lease: Lease): Promise<boolean>;
  /** Gives it up. No effect when it was lost. */
  release(lease: Lease): Promise<void>;
}
