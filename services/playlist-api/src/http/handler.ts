import type { IncomingMessage, ServerResponse } from 'node:http';
import { ServiceError } from '@millrace/runtime';
import type { Clock, Logger } from '@millrace/runtime';
import express from 'express';
import type { NextFunction, Request, Response } from 'express';
import type { PlaylistApiConfig } from '../config.ts';
import type { Catalogue } from '../domain/catalogue.ts';
import type { ChannelStore } from '../domain/channel-store.ts';
import type { SessionMirror } from '../domain/session-mirror.ts';
import type { SessionWork } from '../domain/session-work.ts';
import type { PlaylistApiMetrics } from '../metrics.ts';
import { publicReadOnly } from './cors.ts';
import { measured } from './measured.ts';
import { pageRoutes } from './page-routes.ts';
import { playRoutes } from './play-routes.ts';
import { problemOf, problemOfServiceError, sendProblem } from './problem.ts';
import type { Problem } from './problem.ts';
import { requestProblemOf } from './request-problem.ts';
import { apiRoutes } from './api-routes.ts';

/** A handler for `http.createServer`. */
export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** What the HTTP side is made of. */
export interface HandlerDependencies {
  readonly config: PlaylistApiConfig;
  readonly store: ChannelStore;
  readonly catalogue: Catalogue;
  readonly mirror: SessionMirror;
  readonly work: SessionWork;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: PlaylistApiMetrics;
  /** Aborted when the service stops: nobody is held any longer. */
  readonly stopping: AbortSignal;
}

/** Composes every public route of playlist-api. */
export function createHandler(dependencies: HandlerDependencies): HttpHandler {
  const { config, store, mirror, clock, logger, metrics } = dependencies;
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.enable('case sensitive routing');
  app.enable('strict routing');
  app.set('query parser', 'simple');
  app.use(measured(metrics));
  app.use((_request, response, next) => {
    response.set('X-Content-Type-Options', 'nosniff');
    next();
  });
  app.use(
    '/play',
    playRoutes({
      mirror,
      channels: store,
      clock,
      metrics,
      holdMs: config.holdMs,
      maxHeldRequests: config.maxHeldRequests,
      stopping: dependencies.stopping,
    }),
  );
  app.use('/v1', apiRoutes(dependencies));
  app.use('/time', publicReadOnly, (_request, response) => {
    response.set('Cache-Control', 'no-store').type('text/plain').send(new Date(clock()).toISOString());
  });
  app.use(pageRoutes());
  app.use((request, response) => {
    sendProblem(
      response,
      problemOf(404, 'PLAYLIST_API_PATH_UNKNOWN', `There is nothing at ${request.path}.`),
    );
  });
  app.use((error: unknown, request: Request, response: Response, next: NextFunction) => {
    if (response.headersSent) {
      next(error);
      return;
    }
    sendProblem(response, problemOfError(error, request, logger));
  });
  return app;
}

function problemOfError(error: unknown, request: Request, logger: Logger): Problem {
  if (error instanceof ServiceError) return problemOfServiceError(error);
  const problem = requestProblemOf(error);
  if (problem !== undefined) return problem;
  logger.error(
    { err: error, method: request.method, path: request.path },
    'A request failed: this is a fault here',
  );
  return problemOf(500, 'PLAYLIST_API_INTERNAL', 'Something failed here: the log of playlist-api says what.');
}
