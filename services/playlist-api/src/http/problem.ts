import { ServiceError } from '@millrace/runtime';
import type { ServiceErrorCode } from '@millrace/runtime';
import type { Response } from 'express';

/** The body of an error (RFC 9457), with this project's stable id. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** Stable id: `PLAYLIST_API_CHANNEL_UNKNOWN`. */
  readonly id: string;
  /** Places in the request that are wrong. */
  readonly problems?: readonly { readonly path: string; readonly message: string }[];
}

const STATUS_OF: Readonly<Record<ServiceErrorCode, number>> = {
  INVALID_ARGUMENT: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  FAILED_PRECONDITION: 409,
  ABORTED: 409,
  RESOURCE_EXHAUSTED: 429,
  INTERNAL: 500,
  UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 504,
};

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Conflict',
  410: 'Gone',
  413: 'Content too large',
  415: 'Unsupported media type',
  429: 'Too many requests',
  500: 'Internal error',
  503: 'Service unavailable',
  504: 'Timed out',
};

/** Makes a problem; `problems` only for 400. */
export function problemOf(
  status: number,
  id: string,
  detail: string,
  problems?: Problem['problems'],
): Problem {
  return {
    type: 'about:blank',
    title: TITLES[status] ?? 'Error',
    status,
    detail,
    id,
    ...(problems === undefined ? {} : { problems }),
  };
}

/** The problem that a service error is to an HTTP client. */
export function problemOfServiceError(error: ServiceError): Problem {
  return problemOf(STATUS_OF[error.code], error.id, error.message);
}

/** Answers with a problem; never cached, but for 410, which stays true. */
export function sendProblem(response: Response, problem: Problem): void {
  response
    .status(problem.status)
    .set('Cache-Control', problem.status === 410 ? 'max-age=60' : 'no-store')
    .type('application/problem+json')
    .send(JSON.stringify(problem));
}
