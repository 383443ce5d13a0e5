import {
  checkOpenFileLimit,
  controlService,
  listenFor,
  MESSAGE_LIMITS,
  openPlatform,
  served,
  startGrpcServer,
  stopInOrder,
  watchInstances,
} from '@millrace/runtime';
import type { Clock, HttpService, ListenerAddresses, Logger, Stoppable } from '@millrace/runtime';
import type { Registry } from 'prom-client';
import { RedisChannelStore } from './adapters/redis-channel-store.ts';
import { startPlaylistApi } from './app.ts';
import type { PlaylistApiServiceConfig } from './config.ts';

const SERVICE = 'playlist-api';

/** A playlist-api that is a process of its own. */
export interface RunningPlaylistApiService extends Stoppable, ListenerAddresses {
  readonly grpcAddress: { readonly host: string; readonly port: number };
}

type StartedPlaylistApi = HttpService & Pick<RunningPlaylistApiService, 'grpcAddress'>;

/**
 * Starts playlist-api on Redis, Kafka and gRPC: channels are in Redis, so it is alive and not ready until that answers.
 *
 * Throws `ServiceError` with one sentence for what is taken.
 */
export async function startPlaylistApiService(
  config: PlaylistApiServiceConfig,
  dependencies: { readonly logger: Logger; readonly registry: Registry; readonly clock: Clock },
): Promise<RunningPlaylistApiService> {
  const { logger, registry } = dependencies;
  const { instance, grpc } = config;
  checkOpenFileLimit({ 'http.maxConnections': config.http.maxConnections }, logger);
  const platform = openPlatform(config, { service: SERVICE, instance, ...dependencies });
  const started: Stoppable[] = [platform];
  const stop = (deadlineMs: number): Promise<void> => stopInOrder(started, deadlineMs);
  const start = async (): Promise<StartedPlaylistApi> => {
    const { redis, sessions, leases, instances, peers, events, grpcMetrics } = platform;
    const known = watchInstances(instances, 'worker', logger);
    started.unshift(known);
    const workers = (): typeof known.list => known.list;
    await redis.ready();
    const store = new RedisChannelStore({ redis, logger });
    store.start();
    started.unshift(store);
    const api = await startPlaylistApi(config, {
      ...dependencies,
      store,
      sessions,
      leases,
      workers,
      peers,
      events,
    });
    started.unshift(api);
    const server = await startGrpcServer({
      ...{ host: grpc.host, port: grpc.port, tls: grpc.tls, limits: served(MESSAGE_LIMITS.control) },
      ...{ services: [controlService(api.control)], logger, metrics: grpcMetrics },
    });
    started.unshift(server);
    platform.startEvents();
    return { handler: api.handler, stop, grpcAddress: server.address };
  };
  try {
    return await listenFor(start, { ...config, registry, logger });
  } catch (error) {
    await stop(0);
    throw error;
  }
}
