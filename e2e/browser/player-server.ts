import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const MODULES = new URL('../node_modules/', import.meta.url);
const PAGE = new URL('page/', import.meta.url);

const FILES: Readonly<Record<string, readonly [URL, string]>> = {
  '/': [new URL('index.html', PAGE), 'text/html'],
  '/players.js': [new URL('players.js', PAGE), 'text/javascript'],
  '/hls.js': [new URL('hls.js/dist/hls.min.js', MODULES), 'text/javascript'],
  '/shaka.js': [new URL('shaka-player/dist/shaka-player.compiled.js', MODULES), 'text/javascript'],
  '/dash.js': [new URL('dashjs/dist/modern/umd/dash.all.min.js', MODULES), 'text/javascript'],
};

/** A site of another origin than Millrace's, with three players on its page. */
export interface PlayerServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Serves the page and the players as their packages bring them. */
export async function startPlayerServer(): Promise<PlayerServer> {
  const server = createServer((request, response) => {
    const file = FILES[request.url ?? '/'];
    if (file === undefined) response.writeHead(404).end();
    else response.writeHead(200, { 'content-type': file[1] }).end(readFileSync(file[0]));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
