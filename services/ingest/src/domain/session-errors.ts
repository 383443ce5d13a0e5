import { ServiceError } from '@millrace/runtime';

/** What workers are told when a session cannot give them what they ask for. */

export function unknownSession(sessionId: string): ServiceError {
  return new ServiceError(
    'NOT_FOUND',
    'INGEST_SESSION_UNKNOWN',
    `Session ${sessionId} is not here: another ingest has it, or nobody has published to it since this one started`,
  );
}

export function endedSession(sessionId: string): ServiceError {
  return new ServiceError(
    'FAILED_PRECONDITION',
    'INGEST_SESSION_ENDED',
    `Session ${sessionId} is over: no period follows`,
  );
}

export function movedSession(sessionId: string): ServiceError {
  return new ServiceError(
    'FAILED_PRECONDITION',
    'INGEST_SESSION_MOVED',
    `Session ${sessionId} is at another ingest now: ask that one`,
  );
}

export function periodNotOpened(sessionId: string, waitMs: number): ServiceError {
  return new ServiceError(
    'DEADLINE_EXCEEDED',
    'INGEST_PERIOD_NOT_OPENED',
    `Session ${sessionId} had no IDR to begin a period with for ${waitMs / 1000} s`,
    { retryable: true },
  );
}
