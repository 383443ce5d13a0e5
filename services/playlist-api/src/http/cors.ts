import type { NextFunction, Request, Response } from 'express';
import { problemOf, sendProblem } from './problem.ts';

const PREFLIGHT_SECONDS = 86_400;

/** Lets any page read what any page may read (O-3), and refuses methods that only read-only objects never have. */
export function publicReadOnly(request: Request, response: Response, next: NextFunction): void {
  response.set({
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Expose-Headers': 'Date, Age, Content-Length, ETag, Server-Timing',
    'Timing-Allow-Origin': '*',
  });
  if (request.method === 'OPTIONS') {
    response
      .set({
        'Access-Control-Allow-Methods': 'GET, HEAD, OPTIONS',
        'Access-Control-Allow-Headers': 'Range, If-None-Match, If-Modified-Since',
        'Access-Control-Max-Age': String(PREFLIGHT_SECONDS),
        Allow: 'GET, HEAD, OPTIONS',
      })
      .status(204)
      .end();
    return;
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.set('Allow', 'GET, HEAD, OPTIONS');
    sendProblem(
      response,
      problemOf(405, 'PLAYLIST_API_METHOD_UNKNOWN', 'This path has only GET, HEAD, OPTIONS.'),
    );
    return;
  }
  next();
}
