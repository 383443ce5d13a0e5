import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname, join } from 'node:path';
import { Router } from 'express';
import type { RequestHandler } from 'express';
import { assetsDirectory } from '../assets.ts';
import { problemOf, sendProblem } from './problem.ts';
import { renderBody } from './rendered-body.ts';
import type { RenderedBody } from './rendered-body.ts';
import { sendRendered } from './static-body.ts';

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

const PLAYER_LIBRARY = 'hls.js';

/** Nothing from another host, nothing inline; media come from blobs that Media Source Extensions make. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "media-src 'self' blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Serves `/` and its files, read once at start: a fixed set, so no path from outside touches the disk. */
export function pageRoutes(): Router {
  const files = readFiles();
  const router = Router({ caseSensitive: true, strict: true });
  router.use((_request, response, next) => {
    response.set({
      'Content-Security-Policy': CONTENT_SECURITY_POLICY,
      'Referrer-Policy': 'no-referrer',
      'Cross-Origin-Opener-Policy': 'same-origin',
    });
    next();
  });
  const send =
    (name: string): RequestHandler =>
    (request, response) => {
      const body = files.get(name);
      if (body === undefined) throw new TypeError(`the page has no ${name}`);
      const contentType = CONTENT_TYPES[extname(name)] ?? 'application/octet-stream';
      sendRendered(request, response, body, { contentType, cacheControl: 'no-cache' });
    };
  router.get('/', send('index.html'));
  for (const name of files.keys()) router.get(`/page/${name}`, send(name));
  router.use('/page', (request, response) => {
    sendProblem(
      response,
      problemOf(404, 'PLAYLIST_API_PATH_UNKNOWN', `The page has no file ${request.path}.`),
    );
  });
  return router;
}

function readFiles(): ReadonlyMap<string, RenderedBody> {
  const directory = join(assetsDirectory(), 'page');
  const names = readdirSync(directory).filter((name) => extname(name) in CONTENT_TYPES);
  const files = new Map(names.map((name) => [name, renderBody(readFileSync(join(directory, name)))]));
  // A bundle has it beside the page; in a checkout it is in its package.
  if (!files.has(PLAYER_LIBRARY)) {
    const path = createRequire(import.meta.url).resolve('hls.js/dist/hls.min.mjs');
    files.set(PLAYER_LIBRARY, renderBody(readFileSync(path)));
  }
  return files;
}
