import { createHash, timingSafeEqual } from 'node:crypto';
import type { Clock } from '@millrace/runtime';
import type { NextFunction, Request, Response } from 'express';
import type { Counter } from 'prom-client';
import { problemOf, sendProblem } from './problem.ts';

const MAX_FAILURES = 10;
const WINDOW_MS = 60_000;
const MAX_ADDRESSES = 10_000;

/**
 * Lets requests with the admin token pass; an address that failed ten times within a minute is refused unheard.
 *
 * The token is compared in constant time and never logged. At most 10,000 addresses are remembered, the oldest dropped.
 */
export function adminAuth(options: {
  readonly adminToken: string;
  readonly clock: Clock;
  readonly refusals: Counter;
}): (request: Request, response: Response, next: NextFunction) => void {
  const expected = digest(options.adminToken);
  const failures = new Map<string, { count: number; untilMs: number }>();
  return (request, response, next) => {
    const address = request.socket.remoteAddress ?? '';
    const nowMs = options.clock();
    const failed = failures.get(address);
    if (failed !== undefined && failed.untilMs <= nowMs) failures.delete(address);
    else if (failed !== undefined && failed.count >= MAX_FAILURES) {
      options.refusals.inc({ reason: 'rate' });
      response.set('Retry-After', String(Math.ceil((failed.untilMs - nowMs) / 1000)));
      sendProblem(
        response,
        problemOf(
          429,
          'PLAYLIST_API_TOKEN_RATE',
          'Too many wrong admin tokens from this address: wait a minute.',
        ),
      );
      return;
    }
    const shown = /^Bearer ([^\s]{1,256})$/i.exec(request.get('Authorization') ?? '')?.[1];
    if (shown !== undefined && timingSafeEqual(digest(shown), expected)) {
      next();
      return;
    }
    const reason = shown === undefined ? 'missing' : 'wrong';
    options.refusals.inc({ reason });
    // A request without a token guesses nothing.
    if (reason === 'wrong') remember(failures, address, nowMs);
    response.set('WWW-Authenticate', 'Bearer realm="millrace"');
    sendProblem(
      response,
      problemOf(
        401,
        'PLAYLIST_API_TOKEN_REJECTED',
        `The admin token is ${reason}: send it as "Authorization: Bearer <token>".`,
      ),
    );
  };
}

function remember(
  failures: Map<string, { count: number; untilMs: number }>,
  address: string,
  nowMs: number,
): void {
  const known = failures.get(address);
  if (known !== undefined) {
    known.count += 1;
    return;
  }
  const [oldest] = failures.keys();
  if (failures.size >= MAX_ADDRESSES && oldest !== undefined) failures.delete(oldest);
  failures.set(address, { count: 1, untilMs: nowMs + WINDOW_MS });
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest();
}
