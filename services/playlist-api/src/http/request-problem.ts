import type { z } from 'zod';
import { problemOf } from './problem.ts';
import type { Problem } from './problem.ts';

/** A request that was refused, on its way to the one place that answers. */
export class RequestProblem extends Error {
  override readonly name = 'RequestProblem';
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

const IDS: Readonly<Record<number, string>> = {
  404: 'PLAYLIST_API_PATH_UNKNOWN',
  405: 'PLAYLIST_API_METHOD_UNKNOWN',
  413: 'PLAYLIST_API_BODY_TOO_LARGE',
  415: 'PLAYLIST_API_MEDIA_TYPE',
};

const DETAILS: Readonly<Record<number, string>> = {
  404: 'There is nothing at this path: /v1/openapi.json lists what there is.',
  405: 'This path does not have the method: /v1/openapi.json lists what it has.',
  413: 'The body is too large.',
  415: 'The body must be JSON, uncompressed or gzip: send it with "Content-Type: application/json".',
};

const MAX_PROBLEMS = 20;

/**
 * Turns an error of the HTTP libraries (body parser, router, validator) into a problem; `undefined` for any other error.
 *
 * Quotes nothing of the request: it may hold a key.
 */
export function requestProblemOf(error: unknown): Problem | undefined {
  if (error instanceof RequestProblem) return error.problem;
  const { status, errors, type } = error as {
    readonly status?: unknown;
    readonly errors?: unknown;
    readonly type?: unknown;
  };
  if (typeof status !== 'number' || status < 400 || status >= 500) return undefined;
  const id = IDS[status];
  if (id !== undefined) return problemOf(status, id, DETAILS[status] ?? '');
  if (type === 'entity.parse.failed')
    return problemOf(
      400,
      'PLAYLIST_API_REQUEST_INVALID',
      'The body is not JSON: check its quotes and brackets.',
      [],
    );
  const places = Array.isArray(errors) ? errors.slice(0, MAX_PROBLEMS).map(placeOf) : [];
  return invalidRequest(places);
}

/** The problem of settings that have the right form and make no sense together. */
export function settingsProblemOf(error: z.ZodError, prefix: string): Problem {
  return invalidRequest(
    error.issues
      .slice(0, MAX_PROBLEMS)
      .map((issue) => ({ path: ['', prefix, ...issue.path.map(String)].join('/'), message: issue.message })),
  );
}

function invalidRequest(places: NonNullable<Problem['problems']>): Problem {
  const where =
    places.length === 0 ? 'its path, headers and body' : places.map(({ path }) => path).join(', ');
  return problemOf(400, 'PLAYLIST_API_REQUEST_INVALID', `The request is not valid: check ${where}.`, places);
}

function placeOf(error: { readonly path?: unknown; readonly message?: unknown }): {
  path: string;
  message: string;
} {
  const { path, message } = error;
  return {
    path: typeof path === 'string' ? path : '',
    message: typeof message === 'string' ? message : 'is not valid',
  };
}
