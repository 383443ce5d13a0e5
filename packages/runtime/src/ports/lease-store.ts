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

/** A session of a channel. */
export interface SessionRef {
  readonly channel: string;
  readonly sessionId: string;
}

/** Leases of sessions: TTL 3 s, renewed every 500 ms. */
export interface LeaseStore {
  /** Takes the lease of a session; `undefined` while it is held, whoever asks: a holder renews. */
  acquire(request: Omit<Lease, 'token'>): Promise<Lease | undefined>;
  /** Renews, also a lease that lapsed and that nobody took; false when another one has it, or it was given up. */
  renew(lease: Lease): Promise<boolean>;
  /** Gives it up; whoever knows the token may. False when nobody held it by this token any more. */
  release(lease: Pick<Lease, 'channel' | 'sessionId' | 'token'>): Promise<boolean>;
}

/**
 * The list of sessions that want a worker; kept by whoever keeps the leases.
 *
 * It is a help to find work, never a right: it may name a session that is held or over, and the lease decides.
 */
export interface UnclaimedSessions {
  /** Lists sessions as wanting a worker, but for those that are held. Called with whatever is live, by anybody, at any time. */
  offer(sessions: readonly SessionRef[]): Promise<void>;
  /** Takes sessions off the list: they are over. Taking a lease does the same. */
  withdraw(sessions: readonly SessionRef[]): Promise<void>;
  /** The sessions that want a worker. */
  unclaimed(): Promise<readonly SessionRef[]>;
}
