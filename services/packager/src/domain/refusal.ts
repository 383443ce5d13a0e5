import type { ServiceErrorCode } from '@millrace/runtime';

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

/** Code, id and what it means, of each reason. */
export const REFUSALS: Readonly<
  Record<RefusalReason, readonly [ServiceErrorCode, id: string, meaning: string]>
> = {
  'token-stale': ['FAILED_PRECONDITION', 'PACKAGER_TOKEN_STALE', 'Another lease rules the position'],
  contradiction: ['FAILED_PRECONDITION', 'PACKAGER_CONTRADICTION', 'It contradicts what is held'],
  'out-of-order': ['FAILED_PRECONDITION', 'PACKAGER_OUT_OF_ORDER', 'Something before it is missing'],
  invalid: ['INVALID_ARGUMENT', 'PACKAGER_INVALID', 'A message that cannot be right'],
  'too-long': ['INVALID_ARGUMENT', 'PACKAGER_TOO_LONG', 'Longer than the target duration (H-2)'],
  memory: ['RESOURCE_EXHAUSTED', 'PACKAGER_MEMORY', 'No memory is left for media'],
  limit: ['RESOURCE_EXHAUSTED', 'PACKAGER_LIMIT', 'A limit of this packager is reached'],
  'session-ended': ['FAILED_PRECONDITION', 'PACKAGER_SESSION_ENDED', 'The session is over'],
};
