import type { RequestHandler } from 'express';
import type { OpenApiDocument } from './openapi-document.ts';
import { problemOf, sendProblem } from './problem.ts';

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

/**
 * Says which methods a path of the document has: answers OPTIONS with them, and any other that it has not with 405.
 *
 * HEAD is answered as GET: what comes after here knows of GET alone, and Node leaves the body out. A path that the document
 * does not have is left to those who come after.
 */
export function allowedMethods({ paths }: OpenApiDocument): RequestHandler {
  const known = Object.entries(paths).map(([path, item]) => ({
    pattern: new RegExp(`^${path.replaceAll('.', String.raw`\.`).replaceAll(/\{\w+\}/g, '[^/]+')}$`),
    methods: METHODS.filter((method) => method.toLowerCase() in (item as object)),
  }));
  return (request, response, next) => {
    const methods = known.find(({ pattern }) => pattern.test(request.path))?.methods;
    if (methods === undefined) {
      next();
      return;
    }
    if (request.method === 'HEAD' && methods.includes('GET')) request.method = 'GET';
    if (methods.includes(request.method)) {
      next();
      return;
    }
    const allow = [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ');
    response.set('Allow', allow);
    if (request.method === 'OPTIONS') response.status(204).end();
    else sendProblem(response, problemOf(405, 'PLAYLIST_API_METHOD_UNKNOWN', `This path has only ${allow}.`));
  };
}
