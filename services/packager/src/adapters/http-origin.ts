import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '@millrace/runtime';
import type { WaiterLimit } from '../domain/waiting-room.ts';
import { parseRange } from './byte-range.ts';
import { CORS_HEADERS, matchesAny } from './entity.ts';
import type { Entity, ObjectKind } from './entity.ts';
import { FORWARDED_HEADER } from './owner-proxy.ts';
import type { OwnerProxy } from './owner-proxy.ts';
import { parseMediaPath } from './media-path.ts';
import type { MediaPath } from './media-path.ts';
import type { OriginResolver, Resolution } from './origin-resolver.ts';
import type { RequestTally } from './request-tally.ts';

/** Handles one request; never throws. */
export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** Who is asked for what is not held here. */
export interface OtherPackagers {
  readonly proxy: OwnerProxy;
  /** Where the packagers of a session are reached, `host:port`. */
  readonly ownersOf: (sessionId: string) => readonly string[];
  /** Requests that wait count like those that are held. */
  readonly waiters: WaiterLimit;
}

const MAX_TARGET_LENGTH = 2048;
const ALLOWED_METHODS = 'GET, HEAD, OPTIONS';

/** Everything that is an error, and how long a cache may keep it (section 8: 410 long, the rest not at all). */
const REFUSALS = {
  404: { text: 'Not found.\n', cacheControl: 'no-store', extra: [] },
  405: { text: 'Only GET, HEAD and OPTIONS.\n', cacheControl: 'no-store', extra: ['Allow', ALLOWED_METHODS] },
  410: { text: 'No longer here.\n', cacheControl: 'public, max-age=3600', extra: [] },
  414: { text: 'The URL is too long.\n', cacheControl: 'no-store', extra: [] },
  416: { text: 'No such range.\n', cacheControl: 'no-store', extra: [] },
  425: { text: 'Not yet; try again when it is due.\n', cacheControl: 'no-store', extra: [] },
  500: { text: 'The packager failed to answer.\n', cacheControl: 'no-store', extra: [] },
  503: { text: 'Not now; try again.\n', cacheControl: 'no-store', extra: ['Retry-After', '1'] },
} as const;

type RefusalStatus = keyof typeof REFUSALS;

const PREFLIGHT_HEADERS: readonly string[] = [
  'Allow',
  ALLOWED_METHODS,
  'Access-Control-Allow-Methods',
  ALLOWED_METHODS,
  'Access-Control-Allow-Headers',
  'Range, If-Range, If-None-Match, Content-Type',
  'Access-Control-Max-Age',
  '86400',
  'Content-Length',
  '0',
  ...CORS_HEADERS,
];

/**
 * The HTTP origin of section 8 for everything under `/media`.
 *
 * Bodies, headers and compressed bodies are made once and sent as they are; a request allocates next to nothing.
 */
export class HttpOrigin {
  readonly #resolver: OriginResolver;
  readonly #tally: RequestTally;
  readonly #logger: Logger;
  readonly #onFailure: () => void;
  readonly #others: OtherPackagers | undefined;

  constructor(options: {
    readonly resolver: OriginResolver;
    readonly tally: RequestTally;
    readonly logger: Logger;
    readonly onFailure: () => void;
    /** Absent where this is the only packager. */
    readonly others?: OtherPackagers;
  }) {
    this.#others = options.others;
    this.#resolver = options.resolver;
    this.#tally = options.tally;
    this.#logger = options.logger;
    this.#onFailure = options.onFailure;
  }

  readonly handle: HttpHandler = (request, response) => {
    this.#guard(request, response, () => this.#route(request, response));
  };

  /** Ends what fails with its own request. */
  #guard(request: IncomingMessage, response: ServerResponse, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#onFailure();
      this.#logger.error(
        { err: error, url: request.url?.slice(0, MAX_TARGET_LENGTH) },
        'A request failed; others go on',
      );
      if (response.headersSent) response.destroy();
      else this.#refuse(response, 500, 'none');
    }
  }

  #route(request: IncomingMessage, response: ServerResponse): void {
    const { method, url = '' } = request;
    if (url.length > MAX_TARGET_LENGTH) return this.#refuse(response, 414, 'none');
    if (method !== 'GET' && method !== 'HEAD') return this.#answerOther(response, method);
    const path = parseMediaPath(url);
    if (path === undefined) return this.#refuse(response, 404, 'none');
    const acceptsGzip = path.object === 'playlist' && acceptsGzipEncoding(request.headers['accept-encoding']);
    this.#answer(request, response, path, this.#resolver.resolve(path, acceptsGzip));
  }

  #answerOther(response: ServerResponse, method: string | undefined): void {
    if (method === 'OPTIONS') {
      this.#tally.count('none', 204, 0);
      response.writeHead(204, PREFLIGHT_HEADERS as string[]).end();
      return;
    }
    // A body that nobody reads would be drained for as long as its sender likes.
    response.shouldKeepAlive = false;
    this.#refuse(response, 405, 'none');
  }

  #answer(request: IncomingMessage, response: ServerResponse, path: MediaPath, resolution: Resolution): void {
    switch (resolution.kind) {
      case 'entity':
        this.#send(request, response, resolution.entity);
        return;
      case 'refused':
        this.#refuse(response, resolution.status, objectOf(path));
        return;
      case 'elsewhere':
        this.#askOthers(request, response, path, resolution);
        return;
      case 'hold':
        this.#hold(request, response, path, resolution);
    }
  }

  /** Answers with what an owner says, as if it were held here. What another packager asks for is not asked for again. */
  #askOthers(
    request: IncomingMessage,
    response: ServerResponse,
    path: MediaPath,
    { deadlineMs }: Resolution & { readonly kind: 'elsewhere' },
  ): void {
    const others = this.#others;
    const isForwarded = request.headers[FORWARDED_HEADER] !== undefined;
    if (others === undefined || isForwarded || !others.waiters.enter())
      return this.#refuse(response, 503, objectOf(path));
    const { url = '' } = request;
    const query = url.indexOf('?');
    const acceptsGzip = path.object === 'playlist' && acceptsGzipEncoding(request.headers['accept-encoding']);
    let leave: (() => void) | undefined;
    const onClose = (): void => {
      others.waiters.leave();
      leave?.();
    };
    response.once('close', onClose);
    leave = others.proxy.get(
      {
        path: query === -1 ? url : url.slice(0, query),
        object: objectOf(path),
        ...{ acceptsGzip, deadlineMs },
        owners: () => others.ownersOf(path.sessionId),
      },
      (outcome) => {
        response.off('close', onClose);
        others.waiters.leave();
        this.#guard(request, response, () => {
          if (outcome.kind === 'entity') return this.#send(request, response, outcome.entity);
          // It may have been filled meanwhile.
          const own = outcome.status === 503 ? this.#resolver.resolve(path, acceptsGzip) : undefined;
          if (own?.kind === 'entity') this.#send(request, response, own.entity);
          else this.#refuse(response, outcome.status, objectOf(path));
        });
      },
    );
  }

  #hold(
    request: IncomingMessage,
    response: ServerResponse,
    path: MediaPath,
    hold: Resolution & { readonly kind: 'hold' },
  ): void {
    const leave = hold.room.wait(hold.isReady, hold.deadlineMs, (how) => {
      response.off('close', onClose);
      this.#guard(request, response, () => {
        if (how !== 'ready')
          return this.#refuse(response, how === 'closed' ? 503 : hold.status, objectOf(path));
        const isGzip = path.object === 'playlist' && acceptsGzipEncoding(request.headers['accept-encoding']);
        const resolution = this.#resolver.resolve(path, isGzip);
        // It was there a moment ago; a second hold would have no deadline of its own.
        if (resolution.kind === 'hold') this.#refuse(response, 503, objectOf(path));
        else this.#answer(request, response, path, resolution);
      });
    });
    const onClose = (): void => leave?.();
    if (leave === undefined) this.#refuse(response, 503, objectOf(path));
    else response.once('close', onClose);
  }

  #send(request: IncomingMessage, response: ServerResponse, entity: Entity): void {
    const { headers } = request;
    const ifNoneMatch = headers['if-none-match'];
    if (ifNoneMatch !== undefined && matchesAny(ifNoneMatch, entity.etag)) {
      this.#tally.count(entity.object, 304, 0);
      response.writeHead(304, entity.notModifiedHeaders as string[]).end();
      return;
    }
    const isHead = request.method === 'HEAD';
    if (entity.hasRanges && headers.range !== undefined && !isHead) {
      const ifRange = headers['if-range'];
      if (ifRange === undefined || ifRange === entity.etag)
        return this.#sendRange(response, entity, headers.range);
    }
    this.#sendWhole(response, entity, isHead);
  }

  #sendWhole(response: ServerResponse, entity: Entity, isHead: boolean): void {
    response.writeHead(200, entity.headers as string[]);
    if (isHead) response.end();
    else if (entity.shortBody !== undefined) response.end(entity.shortBody, 'latin1');
    else response.end(entity.body);
    this.#tally.count(entity.object, 200, isHead ? 0 : entity.body.length);
  }

  #sendRange(response: ServerResponse, entity: Entity, header: string): void {
    const size = entity.body.length;
    const range = parseRange(header, size);
    switch (range.kind) {
      case 'whole':
        this.#sendWhole(response, entity, false);
        return;
      case 'unsatisfiable':
        this.#refuse(response, 416, entity.object, ['Content-Range', `bytes */${size}`]);
        return;
      case 'slice': {
        const { start, end } = range;
        const replaced = [
          'Content-Length',
          String(end - start),
          'Content-Range',
          `bytes ${start}-${end - 1}/${size}`,
        ];
        response.writeHead(206, [...replaced, ...withoutContentLength(entity.headers)]);
        response.end(entity.body.subarray(start, end));
        this.#tally.count(entity.object, 206, end - start);
      }
    }
  }

  #refuse(
    response: ServerResponse,
    status: RefusalStatus,
    object: ObjectKind,
    more: readonly string[] = [],
  ): void {
    const { text, cacheControl, extra } = REFUSALS[status];
    const headers = ['Content-Type', 'text/plain; charset=utf-8', 'Content-Length', String(text.length)];
    response.writeHead(status, [
      ...headers,
      'Cache-Control',
      cacheControl,
      ...extra,
      ...more,
      ...CORS_HEADERS,
    ]);
    response.end(text);
    this.#tally.count(object, status, 0);
  }
}

function objectOf(path: MediaPath): ObjectKind {
  if (path.object === 'playlist') return path.form === 'ts' ? 'ts-playlist' : 'playlist';
  if (path.object === 'segment') return path.form === 'ts' ? 'ts-segment' : 'segment';
  return path.object;
}

function withoutContentLength(headers: readonly string[]): string[] {
  const at = headers.indexOf('Content-Length');
  return headers.filter((_, index) => index !== at && index !== at + 1);
}

/** True when the client takes gzip: named, or by `*`, with a weight above 0 (RFC 9110 12.5.3). */
function acceptsGzipEncoding(header: string | string[] | undefined): boolean {
  if (typeof header !== 'string') return false;
  let wildcard = false;
  for (const item of header.toLowerCase().split(',')) {
    const [coding = '', ...parameters] = item.split(';').map((part) => part.trim());
    const isRefused = parameters.some((parameter) => /^q=0(\.0{0,3})?$/.test(parameter));
    if (coding === 'gzip' || coding === 'x-gzip') return !isRefused;
    if (coding === '*') wildcard = !isRefused;
  }
  return wildcard;
}
