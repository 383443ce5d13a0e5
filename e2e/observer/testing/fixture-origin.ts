import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { Timing } from '../timing.ts';
import { FIRST_K } from './fixture-media.ts';
import type { FixtureRendition } from './fixture-media.ts';
import { mediaPlaylist, mpd, multivariantPlaylist, rowsOf } from './fixture-playlists.ts';

/** What an object is served with. */
export interface FixtureObject {
  status: number;
  body: Buffer;
  headers: Record<string, string>;
}

/** Breaks what is served: gets every object of a path before it goes out, and the time in ms since the first segment. */
export type Mutation = (object: FixtureObject, path: string, sinceFirstMs: number) => void;

const LIFETIME_MS = 8000;
const CORS = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'Date, Age, Content-Length, Server-Timing',
};

/** A small live origin over the fixture's media, on a clock that the observer's own sleeping moves. */
export class FixtureOrigin {
  readonly timing: Timing = {
    now: () => this.#nowMs,
    sleep: (ms) => {
      this.#nowMs += ms;
      return Promise.resolve();
    },
  };
  readonly #renditions: readonly FixtureRendition[];
  readonly #server: Server;
  #mutation: Mutation = () => undefined;
  #nowMs = 0;

  constructor(renditions: readonly FixtureRendition[]) {
    this.#renditions = renditions;
    this.#server = createServer((request, response) => this.#serve(request, response));
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Puts the clock to when three segments are there, and breaks from now on what the mutation breaks. */
  rewind(mutation: Mutation = () => undefined): void {
    this.#nowMs = (FIRST_K + 3) * 1000 + 50;
    this.#mutation = mutation;
  }

  url(name: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/${name}`;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const path = new URL(request.url ?? '/', 'http://origin').pathname.slice(1);
    const object = this.#find(path);
    this.#mutation(object, path, this.#nowMs - FIRST_K * 1000);
    const etag = `"${createHash('sha1').update(object.body).digest('hex')}"`;
    const headers: Record<string, string> = { ...CORS, etag, ...object.headers };
    if (request.method === 'OPTIONS') {
      response.writeHead(204, CORS).end();
    } else if (object.status !== 200) {
      response.writeHead(object.status, headers).end(object.body);
    } else if (request.headers['if-none-match'] === headers['etag']) {
      response.writeHead(304, headers).end();
    } else {
      send(request, response, object.body, headers);
    }
  }

  #find(path: string): FixtureObject {
    const text = (type: string, body: string): FixtureObject => ({
      status: 200,
      body: Buffer.from(body),
      headers: { 'content-type': type, 'cache-control': 'max-age=1' },
    });
    if (path === 'time') return text('text/plain', new Date(this.#nowMs).toISOString());
    if (path === 'index.m3u8' || path === 'ts.m3u8')
      return text(
        'application/vnd.apple.mpegurl',
        multivariantPlaylist(this.#renditions, path === 'ts.m3u8'),
      );
    if (path === 'timeline.mpd' || path === 'number.mpd') {
      const form = path === 'number.mpd' ? 'number' : 'timeline';
      return text('application/dash+xml', mpd(this.#renditions, form, this.#nowMs));
    }
    const [, id, name = ''] = path.split('/');
    const rendition = this.#renditions.find((candidate) => candidate.id === id);
    if (rendition === undefined) return absent();
    if (name === 'index.m3u8' || name === 'ts.m3u8')
      return text('application/vnd.apple.mpegurl', mediaPlaylist(rendition, name === 'ts.m3u8', this.#nowMs));
    return this.#findMedia(rendition, name) ?? absent();
  }

  #findMedia(rendition: FixtureRendition, name: string): FixtureObject | undefined {
    const media = (type: string, body: Buffer): FixtureObject => ({
      status: 200,
      body,
      headers: { 'content-type': type, 'cache-control': 'max-age=3600, immutable' },
    });
    const init = /^init-(\d)\.mp4$/.exec(name)?.[1];
    const period = init === undefined ? undefined : rendition.periods[Number(init)];
    if (period !== undefined) return media(`${rendition.kind}/mp4`, period.init);
    const [number, extension] = name.split('.');
    const segment = rowsOf(rendition).find((row) => String(row.segment.k) === number)?.segment;
    if (segment === undefined) return undefined;
    const availableMs = (segment.k + 1) * 1000;
    if (this.#nowMs < availableMs || this.#nowMs > availableMs + LIFETIME_MS) return undefined;
    return extension === 'ts'
      ? media('video/mp2t', segment.ts)
      : media(`${rendition.kind}/mp4`, segment.bytes);
  }
}

function absent(): FixtureObject {
  return { status: 404, body: Buffer.alloc(0), headers: { 'cache-control': 'no-store' } };
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer,
  headers: Record<string, string>,
): void {
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  if (range !== null) {
    const start = Number(range[1]);
    const end = Math.min(range[2] === '' ? Number.POSITIVE_INFINITY : Number(range[2]), body.length - 1);
    if (start > end) {
      response.writeHead(416, headers).end();
      return;
    }
    response.writeHead(206, { ...headers, 'content-range': `bytes ${start}-${end}/${body.length}` });
    response.end(body.subarray(start, end + 1));
    return;
  }
  const isText = !/^(?:video|audio)/.test(headers['content-type'] ?? '');
  const isZipped =
    isText && (request.headers['accept-encoding'] ?? '').includes('gzip') && !('x-plain' in headers);
  const out = isZipped ? gzipSync(body) : body;
  response.writeHead(200, {
    ...(isText ? { vary: 'Accept-Encoding' } : {}),
    ...(isZipped ? { 'content-encoding': 'gzip' } : {}),
    ...{ 'content-length': out.length },
    ...headers,
  });
  response.end(request.method === 'HEAD' ? undefined : out);
}
