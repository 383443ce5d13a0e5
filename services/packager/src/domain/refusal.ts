/** Why a part, an init segment or a hello is refused; the label of the metric. */
export type RefusalReason =
  | 'token-stale'
  | 'contradiction'
  | 'out-of-order'
  | 'invalid'
  | 'too-long'
  | 'memory'
  | 'limit'
  | 'session-ended';

/** A refusal and what to say about it. */
export interface PartRefusal {
  readonly reason: RefusalReason;
  /** What happened and what to do, without the position, which the caller adds. */
  readonly message: string;
}
