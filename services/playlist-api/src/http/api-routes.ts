import { ServiceError } from '@millrace/runtime';
import express, { Router } from 'express';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { middleware as openApiValidator } from 'express-openapi-validator';
import type { SessionView } from '../domain/session-view.ts';
import { adminAuth } from './admin-auth.ts';
import type { HandlerDependencies } from './handler.ts';
import { allowedMethods } from './allowed-methods.ts';
import { liveJson } from './live-json.ts';
import { publicPaths, readOpenApiDocument } from './openapi-document.ts';
import { pageOf, pageRequestOf, stretchOf } from './pages.ts';
import { channelJson, ladderJson, sessionJson, stateOf, streamKeyJson } from './representations.ts';
import { parseRungs, parseSettings } from './parse-settings.ts';

const MAX_BODY_BYTES = 64 * 1024;

type Body<T> = RequestHandler<Record<string, string>, unknown, T>;

/** Serves `/v1`: the OpenAPI document says what, and every request is held to it. */
export function apiRoutes(dependencies: HandlerDependencies): Router {
  const { config, clock, metrics } = dependencies;
  const router = Router({ caseSensitive: true, strict: true });
  router.use((_request, response, next) => {
    response.set('Cache-Control', 'no-store');
    next();
  });
  const document = readOpenApiDocument();
  const auth = adminAuth({ adminToken: config.adminToken, clock, refusals: metrics.adminRefusals });
  const openPaths = publicPaths(document);
  router.use(allowedMethods(document));
  router.use((request, response, next) => {
    if (request.method === 'GET' && openPaths.has(request.path)) next();
    else auth(request, response, next);
  });
  router.use(express.json({ limit: MAX_BODY_BYTES, strict: true }));
  router.use(emptyBody);
  router.use(
    ...openApiValidator({
      apiSpec: readOpenApiDocument() as never,
      validateApiSpec: false,
      validateRequests: { allowUnknownQueryParameters: false },
      validateResponses: config.validateResponses,
      // Asked before a body is read, by the middleware above.
      validateSecurity: false,
      fileUploader: false,
    }),
  );
  router.get('/openapi.json', (_request, response) => void response.json(document));
  router.get('/live', async (_request, response) => void response.json(await liveJson(dependencies)));
  addChannels(router, dependencies);
  addStreamKeys(router, dependencies);
  addLadders(router, dependencies);
  addSessions(router, dependencies);
  return router;
}

/** No body is an empty document, of whatever type: where all is optional, nobody has to say that it is JSON. */
function emptyBody(request: Request, _response: Response, next: NextFunction): void {
  const { headers, method } = request;
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  if (!hasBody && (method === 'POST' || method === 'PUT')) {
    headers['content-type'] = 'application/json';
    request.body = {};
  }
  next();
}

function addChannels(router: Router, { store, catalogue, mirror }: HandlerDependencies): void {
  router.get('/channels', async (request, response) => {
    const page = pageRequestOf(request);
    const listed = await store.listChannels({ ...page, limit: page.limit + 1 });
    response.json(
      pageOf(
        listed,
        page,
        ({ name }) => name,
        (channel) => channelJson(channel, mirror.currentOf(channel.name)),
      ),
    );
  });
  const create: Body<{ name: string; settings?: unknown }> = async (request, response) => {
    const { name, settings } = request.body;
    const channel = await catalogue.createChannel(name, parseSettings(settings ?? {}));
    response
      .status(201)
      .location(`/v1/channels/${name}`)
      .json(channelJson(channel, mirror.currentOf(name)));
  };
  router.post('/channels', create);
  router.get('/channels/:channel', async (request, response) => {
    const channel = await catalogue.getChannel(request.params.channel);
    response.json(channelJson(channel, mirror.currentOf(channel.name)));
  });
  const replace: Body<{ settings: unknown }> = async (request, response) => {
    const channel = await catalogue.replaceChannel(
      request.params['channel'] ?? '',
      parseSettings(request.body.settings),
    );
    response.json(channelJson(channel, mirror.currentOf(channel.name)));
  };
  router.put('/channels/:channel', replace);
  router.delete('/channels/:channel', async (request, response) => {
    await catalogue.deleteChannel(request.params.channel);
    response.status(204).end();
  });
}

function addStreamKeys(router: Router, { catalogue }: HandlerDependencies): void {
  const path = '/channels/:channel/stream-keys';
  router.get(path, async (request, response) => {
    const page = pageRequestOf(request);
    const keys = await catalogue.listStreamKeys(request.params['channel'] ?? '');
    response.json(
      pageOf(
        stretchOf(keys, page, ({ id }) => id),
        page,
        ({ id }) => id,
        streamKeyJson,
      ),
    );
  });
  const create: Body<{ role?: 'primary' | 'backup'; label?: string }> = async (request, response) => {
    const channel = request.params['channel'] ?? '';
    const { role = 'primary', label = '' } = request.body;
    const { record, streamKey } = await catalogue.createStreamKey(channel, { role, label });
    response.status(201).location(`/v1/channels/${channel}/stream-keys/${record.id}`);
    response.json({ ...streamKeyJson(record), streamKey });
  };
  router.post(path, create);
  router.get(`${path}/:streamKeyId`, async (request, response) => {
    const { channel = '', streamKeyId = '' } = request.params as Record<string, string>;
    response.json(streamKeyJson(await catalogue.getStreamKey(channel, streamKeyId)));
  });
  router.delete(`${path}/:streamKeyId`, async (request, response) => {
    const { channel = '', streamKeyId = '' } = request.params as Record<string, string>;
    await catalogue.revokeStreamKey(channel, streamKeyId);
    response.status(204).end();
  });
  const rotate: Body<{ overlapSeconds?: number }> = async (request, response) => {
    const { channel = '', streamKeyId = '' } = request.params;
    const { overlapSeconds = 0 } = request.body;
    const { record, streamKey } = await catalogue.rotateStreamKey(channel, streamKeyId, overlapSeconds);
    response.status(201).location(`/v1/channels/${channel}/stream-keys/${record.id}`);
    response.json({ ...streamKeyJson(record), streamKey });
  };
  router.post(`${path}/:streamKeyId/rotate`, rotate);
}

function addLadders(router: Router, { store, catalogue }: HandlerDependencies): void {
  router.get('/ladders', async (request, response) => {
    const page = pageRequestOf(request);
    const listed = await store.listLadders({ ...page, limit: page.limit + 1 });
    response.json(pageOf(listed, page, ({ name }) => name, ladderJson));
  });
  router.get('/ladders/:ladder', async (request, response) => {
    response.json(ladderJson(await catalogue.getLadder(request.params.ladder)));
  });
  const put: Body<{ rungs: unknown }> = async (request, response) => {
    const rungs = parseRungs(request.body.rungs);
    response.json(ladderJson(await catalogue.putLadder(request.params['ladder'] ?? '', rungs)));
  };
  router.put('/ladders/:ladder', put);
  router.delete('/ladders/:ladder', async (request, response) => {
    await catalogue.deleteLadder(request.params.ladder);
    response.status(204).end();
  });
}

function addSessions(router: Router, { mirror, work, clock }: HandlerDependencies): void {
  router.get('/sessions', (request, response) => {
    const { channel, state } = request.query as { channel?: string; state?: string };
    const page = pageRequestOf(request);
    const wanted = mirror
      .list()
      .filter(({ record }) => channel === undefined || record.channel === channel)
      .filter(({ record }) => state === undefined || stateOf(record) === state);
    const idOf = ({ record }: (typeof wanted)[number]): string => record.sessionId;
    response.json(pageOf(stretchOf(wanted, page, idOf), page, idOf, (view) => sessionJson(view, clock())));
  });
  const find = (sessionId: string): SessionView => {
    const view = mirror.get(sessionId);
    if (view !== undefined) return view;
    throw new ServiceError(
      'NOT_FOUND',
      'PLAYLIST_API_SESSION_UNKNOWN',
      'There is no such session, or it ended long ago: list the sessions to see their ids.',
    );
  };
  router.get('/sessions/:sessionId', async (request, response) => {
    const view = find(request.params.sessionId);
    const worker = await work.workerOf(view.record);
    response.json({ ...sessionJson(view, clock()), ...(worker === undefined ? {} : { worker }) });
  });
  router.post('/sessions/:sessionId/move', async (request, response) => {
    const view = find(request.params.sessionId);
    await work.move(view.record);
    response.status(202).json(sessionJson(view, clock()));
  });
}
