/**
 * Keys of a channel. They share the hash tag `{channel}`, so that a script that changes several of them runs on one node of a
 * Cluster.
 */
export const redisKeys = {
  /** The id of the channel's newest session. */
  sessionOf: (channel: string): string => `session-of:{${channel}}`,
  /** The record of a session, a hash. */
  session: (channel: string, sessionId: string): string => `session:{${channel}}:${sessionId}`,
  /** Who publishes, and the last token. */
  publication: (channel: string): string => `publication:{${channel}}`,
  /** Recent takeovers, and who was taken over. */
  takeovers: (channel: string): string => `takeovers:{${channel}}`,
  /** Sessions that a claim has ended and no sweep has told of. */
  untold: (channel: string): string => `untold:{${channel}}`,
  /** Who authors, and the last token. */
  lease: (channel: string): string => `lease:{${channel}}:0`,
} as const;

/** Every session that is not forgotten: id to `channel:revision:state:since`. An index: the records are what counts. */
export const LIVE_INDEX = 'live';
/** Sessions that want a worker: `channel:id`. An index: the leases are what counts. */
export const UNCLAIMED_INDEX = 'unclaimed';
/** Pub/sub channel that says `channel:id:revision` with each change: a hint, under which there is a poll. */
export const SESSIONS_CHANNEL = 'millrace.sessions';
