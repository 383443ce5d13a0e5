import { ServiceError } from '../../service-error.ts';

/** Replies that say: this server cannot do it now; another one, or the same one later, can. */
const PASSING = /^(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|MISCONF|OOM|BUSY|UNBLOCKED)\b/;
const DENIED = /^(NOPERM|NOAUTH|WRONGPASS)\b/;

/** Makes a failure of a Redis command a named error. */
export function toServiceError(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const isReply = (error as { name?: unknown } | null)?.name === 'ReplyError';
  if (isReply && DENIED.test(text)) {
    // Rights can be given while we run, so the same call may succeed later.
    return new ServiceError(
      'PERMISSION_DENIED',
      'REDIS_PERMISSION_DENIED',
      `Redis refuses this user: ${text}. Check redis.username, redis.password and the user's ACL.`,
      { retryable: true, cause: error },
    );
  }
  if (isReply && !PASSING.test(text)) {
    return new ServiceError('INTERNAL', 'REDIS_COMMAND_FAILED', `Redis refuses a command: ${text}`, {
      cause: error,
    });
  }
  return new ServiceError('UNAVAILABLE', 'REDIS_UNAVAILABLE', `Redis does not answer: ${text}`, {
    cause: error,
  });
}
