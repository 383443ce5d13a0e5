import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import type { Logger } from './logger.ts';
import { listen } from './listen.ts';

/** A running admin server. */
export interface RunningAdminServer {
  readonly address: AddressInfo;
  stop(): Promise<void>;
}

/**
 * Serves `/metrics`, `/healthz` and `/readyz`.
 *
 * Health is 200 while the process can answer. Readiness means started and not terminating, nothing else: it never depends
 * on Kafka or Redis.
 */
export async function startAdminServer(options: {
  readonly port: number;
  readonly host: string;
  readonly registry: Registry;
  readonly isReady: () => boolean;
  readonly logger: Logger;
}): Promise<RunningAdminServer> {
  const { registry, isReady, logger } = options;
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5000 }, (request, response) => {
    const path = request.url?.split('?', 1)[0];
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
    } else if (path === '/healthz') {
      response.writeHead(200, { 'content-type': 'text/plain' }).end('ok\n');
    } else if (path === '/readyz') {
      response
        .writeHead(isReady() ? 200 : 503, { 'content-type': 'text/plain' })
        .end(isReady() ? 'ready\n' : 'not ready\n');
    } else if (path === '/metrics') {
      registry.metrics().then(
        (body) => response.writeHead(200, { 'content-type': registry.contentType }).end(body),
        (error: unknown) => {
          logger.error({ err: error }, 'Collecting the metrics failed');
          response.writeHead(500).end();
        },
      );
    } else {
      response.writeHead(404).end();
    }
  });
  const address = await listen(server, options, 'admin');
  return {
    address,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
