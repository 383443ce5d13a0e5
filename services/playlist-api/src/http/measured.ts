import type { RequestHandler } from 'express';
import type { PlaylistApiMetrics } from '../metrics.ts';

const ROUTES: ReadonlySet<string> = new Set(['play', 'v1', 'time', 'page', '']);

/** Counts and times requests by the first step of their path, which is one of a few: paths are no labels. */
export function measured(metrics: PlaylistApiMetrics): RequestHandler {
  return (request, response, next) => {
    const first = request.path.split('/', 2)[1] ?? '';
    const route = ROUTES.has(first) ? `/${first}` : 'other';
    const end = metrics.requestSeconds.startTimer({ route });
    response.once('close', () => {
      end();
      // A viewer who left before the answer got none.
      metrics.requests.inc({
        route,
        status: response.writableFinished ? String(response.statusCode) : 'aborted',
      });
    });
    next();
  };
}
