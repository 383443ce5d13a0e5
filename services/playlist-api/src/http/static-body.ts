import type { Request, Response } from 'express';
import type { RenderedBody } from './rendered-body.ts';

/** Answers GET and HEAD with a rendered body: gzip where it is taken, 304 where it is known. */
export function sendRendered(
  request: Request,
  response: Response,
  body: RenderedBody,
  headers: { readonly contentType: string; readonly cacheControl: string },
): void {
  const isGzip = request.acceptsEncodings(['gzip', 'identity']) === 'gzip';
  const etag = isGzip ? body.gzipEtag : body.etag;
  response.set({ 'Cache-Control': headers.cacheControl, ETag: etag, Vary: 'Accept-Encoding' });
  if (matches(request.get('If-None-Match'), body)) {
    response.status(304).end();
    return;
  }
  const bytes = isGzip ? body.gzip : body.plain;
  response.status(200).set('Content-Type', headers.contentType).set('Content-Length', String(bytes.length));
  if (isGzip) response.set('Content-Encoding', 'gzip');
  if (request.method === 'HEAD') response.end();
  else response.end(bytes);
}

/** RFC 9110 13.1.2: any of the listed tags, compared weakly; a tag of either coding is the same revision. */
function matches(header: string | undefined, body: RenderedBody): boolean {
  if (header === undefined) return false;
  if (header.trim() === '*') return true;
  const tags = header.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes(body.etag) || tags.includes(body.gzipEtag);
}
