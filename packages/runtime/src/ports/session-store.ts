import type { session, control } from '@millrace/contracts';

/** Asks for the right to publish to a channel. */
export interface PublishClaim {
  /** The channel's name. */
  readonly channel: string;
  /** The policy of the channel. */
  readonly takeoverPolicy: session.TakeoverPolicy;
  /** Seconds a session of the channel survives without a publisher. */
  readonly graceSeconds: number;
  /** The claiming ingest. */
  readonly ingest: session.Peer;
  /** The role of the stream key. */
  readonly role: control.PublishRole;
  /** What the channel has when encoders of both roles are there. */
  readonly inputPreference: session.InputPreference;
  /** Tells one encoder from another across reconnects (address and what it calls itself), so that two cannot fight. */
  readonly encoderId: string;
}

/** Why a claim was refused. */
export type PublishClaimRefusal =
  /** An encoder of the other role is on air and stays: stand by, and claim again. */
  | 'standby'
  /** Policy `reject`, and a publication is alive. */
  | 'in-use'
  /** This encoder was taken over less than 30 s ago and its successor delivers. */
  | 'taken-over'
  /** Four takeovers within a minute: refused until a minute has passed without an attempt. */
  | 'too-many-takeovers';

/** What came of a claim. */
export type PublishOutcome =
  | {
      readonly kind: 'accepted';
      /** Fencing token of the publication: higher than any before it. */
      readonly token: number;
      readonly record: session.SessionRecord;
      /** True when no session was there to continue. */
      readonly isNewSession: boolean;
      /** Token of the live publication that this one replaced. */
      readonly replacedToken?: number;
      /** Time since the publication before was last heard of, in ms by the store's clock: 0 for one that is replaced. */
      readonly idleMs: number;
      /** True when the session goes on with an encoder of the other role. */
      readonly isFailover: boolean;
    }
  | { readonly kind: 'refused'; readonly refusal: PublishClaimRefusal };

/** A change of a record by the ingest that holds its publication; absent fields stay. */
export interface SessionChange {
  /** Fixes what players read once; refused when it is fixed already. */
  readonly presentation?: session.Presentation;
  /** Appends a period, unless the record has one of its ordinal: ordinals rise. */
  readonly openPeriod?: session.Period;
  /** Ends the last period. */
  readonly endPeriod?: { readonly ordinal: number; readonly lastK: number };
  /** The newest segment number that was begun. */
  readonly currentK?: number;
  /** The first packagers of the session; refused when it has some. */
  readonly packagers?: readonly session.Peer[];
}

/**
 * The live sessions: one atomic step for each change, compared with the store's own clock only.
 *
 * A call whose answer was lost may be made again: renewing, giving up and the same change twice have the effect of once. A
 * claim is another publication each time, and fences the one before.
 *
 * Records that are returned are snapshots and never change. At most 64 recent periods are kept in a record.
 */
export interface SessionStore {
  /** Opens or continues the channel's session and fences whoever published before. */
  claimPublication(claim: PublishClaim): Promise<PublishOutcome>;
  /** Renews a publication (TTL 1 s, renewed every 300 ms); false when a newer one holds the channel. */
  renewPublication(channel: string, token: number): Promise<boolean>;
  /** Gives a publication up: `live` becomes `gap`. No effect when a newer one holds the channel. */
  releasePublication(channel: string, token: number): Promise<void>;
  /** Changes a record; a change that alters nothing is told to no watcher. False when the token no longer holds the channel. */
  update(channel: string, token: number, change: SessionChange): Promise<boolean>;
  /**
   * Moves a session to other packagers; whoever looks after the packagers calls it. False when the placement is not of the
   * epoch before the given one any more, or the session is not there: somebody else moved it.
   */
  place(channel: string, sessionId: string, placement: session.Placement): Promise<boolean>;
  /**
   * The janitor's step, idempotent: `live` without a publication becomes `gap`; `gap` older than the grace time becomes
   * `ended`. Returns the records it changed, and those that a claim has ended since the last sweep.
   */
  sweep(): Promise<readonly session.SessionRecord[]>;
  /** Yields every record that is not forgotten, then each change; a slow reader gets the newest of each record only. */
  watch(signal: AbortSignal): AsyncIterable<session.SessionRecord>;
}
