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

/** The right to stand by for a session: to be the one that takes over from its leader. */
export interface Standby extends SessionRef {
  /** The worker that stands by. */
  readonly workerId: string;
}

/** What a standby is told when it says that it is there. */
export type StandbyState =
  /** The leader has its lease. */
  | 'standing-by'
  /** Nobody leads, or whoever does calls for a successor: it is to take over. */
  | 'wanted'
  /** It has no place: nobody leads yet, this worker does, or another one stands by. */
  | 'lost';

/** A session of a channel. */
export interface SessionRef {
  readonly channel: string;
  readonly sessionId: string;
}

/** What a renewal says of a lease. */
export type LeaseState =
  | { readonly kind: 'held' }
  /** Another worker has it, or it was given up. */
  | { readonly kind: 'lost' }
  /** A successor has it, from this position on: what lies before is still this holder's to make. */
  | { readonly kind: 'handed-over'; readonly from: sink.Position };

/**
 * Leases of sessions: TTL 3 s, renewed every 500 ms.
 *
 * A handover goes in four steps: a successor is called for; a worker announces itself, which gives it a token; it tells the
 * packagers its first position; it commits. Until then the holder's lease is what it was.
 *
 * Beside the lease there is a place for one standby, with the same TTL. While it is taken nobody else acquires the lease or
 * announces itself: the standby takes over, also from a leader that is there.
 */
export interface LeaseStore {
  /** Takes the lease of a session; `undefined` while it is held, whoever asks (a holder renews), and while another one stands by. */
  acquire(request: Omit<Lease, 'token'>): Promise<Lease | undefined>;
  /** Renews, also a lease that lapsed and that nobody took. */
  renew(lease: Lease): Promise<LeaseState>;
  /**
   * Calls for a successor of whoever holds the session's lease, or of one worker only, and lists the session as unclaimed; false
   * when nobody holds it, or not that worker.
   */
  callSuccessor(session: SessionRef & { readonly workerId?: string }): Promise<boolean>;
  /**
   * Announces the worker as successor and gives it a token, above all others. `undefined` when no successor is called for, when
   * the worker is the holder itself, or when another one has announced itself in the last 10 s.
   */
  announce(request: Omit<Lease, 'token'>): Promise<Lease | undefined>;
  /** Makes the successor the holder; false when its announcement counts no more. */
  commit(lease: Lease): Promise<boolean>;
  /** Takes the standby's place of a session that is led by another worker, or keeps it. */
  standBy(standby: Standby): Promise<StandbyState>;
  /** Makes the standby the leader, whoever was; `undefined` when it has no place any more. */
  takeOver(request: Omit<Lease, 'token'>): Promise<Lease | undefined>;
  /** Gives the standby's place up. */
  standDown(standby: Standby): Promise<void>;
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
  /** The worker that holds the session's lease; `undefined` when none does. */
  holderOf(session: SessionRef): Promise<string | undefined>;
  /** Takes sessions off the list: they are over. Taking a lease does the same. */
  withdraw(sessions: readonly SessionRef[]): Promise<void>;
  /** The sessions that want a worker. */
  unclaimed(): Promise<readonly SessionRef[]>;
}
