import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { listen, startAdminServer } from '@millrace/runtime';
import { startPackager } from './app.ts';
import type { PackagerConfig, PackagerDependencies, RunningPackager } from './app.ts';

/** A packager with listeners of its own. */
export interface ServedPackager extends RunningPackager {
  readonly httpAddress: AddressInfo;
  readonly adminAddress: AddressInfo;
}

const REQUEST_TIMEOUT_MS = 30_000;
const HEADERS_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_TIMEOUT_MS = 15_000;
const MAX_HEADER_BYTES = 16 * 1024;

/** Starts the packager and listens on its public and its admin port; throws `LISTEN_FAILED` for a port it cannot have. */
export async function servePackager(
  config: PackagerConfig,
  dependencies: PackagerDependencies,
): Promise<ServedPackager> {
  const { logger, registry } = dependencies;
  const packager = await startPackager(config, dependencies);
  const server = createServer(
    {
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: HEADERS_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      noDelay: true,
    },
    packager.handler,
  );
  server.maxConnections = config.http.maxConnections;
  // A reader that takes nothing holds a body; after this long it is let go.
  server.setTimeout(config.http.idleTimeoutMs);
  let isReady = false;
  const open = async () => {
    const httpAddress = await listen(server, config.http, 'HTTP');
    const admin = await startAdminServer({ ...config.admin, registry, isReady: () => isReady, logger });
    return { httpAddress, admin };
  };
  const { httpAddress, admin } = await open().catch(async (error: unknown) => {
    server.close();
    await packager.stop(0);
    throw error;
  });
  isReady = true;
  logger.info({ http: httpAddress.port, admin: admin.address.port }, 'Listening');
  return {
    ...packager,
    httpAddress,
    adminAddress: admin.address,
    async stop(deadlineMs) {
      isReady = false;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const timer = setTimeout(() => server.closeAllConnections(), deadlineMs);
      await packager.stop(deadlineMs);
      server.closeIdleConnections();
      await closed;
      clearTimeout(timer);
      await admin.stop();
    },
  };
}
