import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Counter } from 'prom-client';
import type { Registry } from 'prom-client';
import { startAdminServer } from './admin-server.ts';
import { listen } from './listen.ts';
import type { AdminListenerConfig, HttpListenerConfig } from './listener-config.ts';
import type { Logger } from './logger.ts';

/** What answers HTTP requests. */
export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** Something that runs, answers HTTP, and can be stopped. */
export interface HttpService {
  readonly handler: HttpHandler;
  stop(deadlineMs: number): Promise<void>;
}

/** The addresses that a service was given. */
export interface ListenerAddresses {
  readonly httpAddress: AddressInfo;
  readonly adminAddress: AddressInfo;
}

interface RunningHttpServer {
  readonly address: AddressInfo;
  stop(deadlineMs: number): Promise<void>;
}

/** Requests of one connection that wait for their answers. */
const MAX_PIPELINED_REQUESTS = 16;
const LIMITS = {
  requestTimeout: 30_000,
  headersTimeout: 10_000,
  keepAliveTimeout: 15_000,
  maxHeaderSize: 16 * 1024,
  noDelay: true,
};

/** Defines the metrics of every public listener. */
export function createListenerMetrics(registry: Registry) {
  return {
    droppedConnections: new Counter({
      name: 'millrace_http_dropped_connections_total',
      help: 'HTTP connections that were closed at once because there were `http.maxConnections` already.',
      registers: [registry],
    }),
    overloadedConnections: new Counter({
      name: 'millrace_http_pipelining_connections_total',
      help: 'HTTP connections that were closed because more requests than 16 waited on one for their answers.',
      registers: [registry],
    }),
  };
}

/**
 * Gives a service its admin port, starts it, and gives it its public port; then it is ready.
 *
 * The admin port comes first: a service that waits for what it needs is alive and not ready meanwhile. `stop` lets requests
 * under way finish until the deadline. Throws what `start` does, and `LISTEN_FAILED` for a port that it cannot have, with the
 * service stopped.
 */
export async function listenFor<S extends HttpService>(
  start: () => Promise<S>,
  options: {
    readonly http: HttpListenerConfig;
    readonly admin: AdminListenerConfig;
    readonly registry: Registry;
    readonly logger: Logger;
  },
): Promise<S & ListenerAddresses> {
  const { registry, logger } = options;
  const { droppedConnections, overloadedConnections } = createListenerMetrics(registry);
  let isReady = false;
  // All at once: nobody comes in any more, and a request that the service holds ends when the service lets it go.
  const started: { stop(deadlineMs: number): Promise<void> }[] = [];
  const stop = async (deadlineMs: number): Promise<void> => {
    isReady = false;
    await Promise.all(started.map((one) => one.stop(deadlineMs)));
  };
  try {
    const admin = await startAdminServer({ ...options.admin, registry, isReady: () => isReady, logger });
    started.push(admin);
    logger.info({ admin: admin.address.port }, 'Health and metrics are served');
    const service = await start();
    started.unshift(service);
    const handler = withoutPipelining(service.handler, () => overloadedConnections.inc());
    const http = await startHttpServer(options.http, handler, () => {
      droppedConnections.inc();
      logger.warn(
        { maxConnections: options.http.maxConnections },
        'An HTTP connection over the limit was closed',
      );
    });
    started.unshift(http);
    isReady = true;
    logger.info({ http: http.address.port, admin: admin.address.port }, 'Listening');
    return { ...service, httpAddress: http.address, adminAddress: admin.address, stop };
  } catch (error) {
    await stop(0);
    throw error;
  }
}

/**
 * Closes a connection on which too many requests wait: requests may be held for seconds, and one connection that sends thousands
 * without reading would hold every place. Players and caches send the next one when the one before is answered.
 */
function withoutPipelining(handler: HttpHandler, onClose: () => void): HttpHandler {
  const waiting = new WeakMap<Socket, number>();
  return (request, response) => {
    const { socket } = request;
    const count = (waiting.get(socket) ?? 0) + 1;
    if (count > MAX_PIPELINED_REQUESTS) {
      if (!socket.destroyed) onClose();
      socket.destroy();
      return;
    }
    waiting.set(socket, count);
    response.once('close', () => waiting.set(socket, (waiting.get(socket) ?? 1) - 1));
    handler(request, response);
  };
}

async function startHttpServer(
  config: HttpListenerConfig,
  handler: HttpHandler,
  onDrop: () => void,
): Promise<RunningHttpServer> {
  const server = createServer(LIMITS, handler);
  server.maxConnections = config.maxConnections;
  server.on('drop', onDrop);
  // A reader that takes nothing holds a body; after this long it is let go.
  server.setTimeout(config.idleTimeoutMs);
  const address = await listen(server, config, 'HTTP');
  return {
    address,
    async stop(deadlineMs) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const timer = setTimeout(() => server.closeAllConnections(), deadlineMs);
      server.closeIdleConnections();
      await closed;
      clearTimeout(timer);
    },
  };
}
