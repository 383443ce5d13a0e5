import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { listen, startAdminServer } from '@millrace/runtime';
import { startPlaylistApi } from './app.ts';
import type { PlaylistApiConfig, PlaylistApiDependencies, RunningPlaylistApi } from './app.ts';

/** A playlist-api with listeners of its own. */
export interface ServedPlaylistApi extends RunningPlaylistApi {
  readonly httpAddress: AddressInfo;
  readonly adminAddress: AddressInfo;
}

const REQUEST_TIMEOUT_MS = 30_000;
const HEADERS_TIMEOUT_MS = 10_000;
const MAX_HEADER_BYTES = 16 * 1024;

/** Starts playlist-api and listens on its public and its admin port; throws `LISTEN_FAILED` for a port it cannot have. */
export async function servePlaylistApi(
  config: PlaylistApiConfig,
  dependencies: PlaylistApiDependencies,
): Promise<ServedPlaylistApi> {
  const { logger, registry } = dependencies;
  const api = await startPlaylistApi(config, dependencies);
  const server = createServer(
    {
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: HEADERS_TIMEOUT_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    },
    api.handler,
  );
  let isReady = false;
  const httpAddress = await listen(server, config.http, 'HTTP');
  const admin = await startAdminServer({ ...config.admin, registry, isReady: () => isReady, logger });
  isReady = true;
  logger.info({ http: httpAddress.port, admin: admin.address.port }, 'Listening');
  return {
    ...api,
    httpAddress,
    adminAddress: admin.address,
    async stop(deadlineMs) {
      isReady = false;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const timer = setTimeout(() => server.closeAllConnections(), deadlineMs);
      await api.stop(deadlineMs);
      await closed;
      clearTimeout(timer);
      await admin.stop();
    },
  };
}
