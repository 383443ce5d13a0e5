import {
  checkOpenFileLimit,
  controlService,
  listenFor,
  MESSAGE_LIMITS,
  openPlatform,
  served,
  ServiceError,
  startGrpcServer,
  stopInOrder,
  watchInstances,
} from '@millrace/runtime';
import type { Clock, ListenerAddresses, Logger, RedisConnection, Stoppable } from '@millrace/runtime';
import type { Registry } from 'prom-client';
import { RedisChannelStore } from './adapters/redis-channel-store.ts';
import { startPlaylistApi } from './app.ts';
import type { PlaylistApiServiceConfig } from './config.ts';

const SERVICE = 'playlist-api';
/** Channels are in Redis: without it there is nothing to serve yet, and whoever starts us may look after it. */
const REDIS_WAIT_MS = 30_000;

/** A playlist-api that is a process of its own. */
export interface RunningPlaylistApiService extends Stoppable, ListenerAddresses {
  readonly grpcAddress: { readonly host: string; readonly port: number };
}

/** Starts playlist-api on Redis, Kafka and gRPC. Throws `ServiceError` with one sentence for what is missing or taken. */
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
  try {
    const { redis, sessions, leases, instances, peers, events, grpcMetrics } = platform;
    const known = watchInstances(instances, 'worker', logger);
    started.unshift(known);
    const workers = (): typeof known.list => known.list;
    await awaitRedis(redis);
    const store = new RedisChannelStore({ redis, logger });
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
    const listening = await listenFor({ handler: api.handler, stop }, { ...config, registry, logger });
    return { ...listening, grpcAddress: server.address };
  } catch (error) {
    await stop(0);
    throw error;
  }
}

async function awaitRedis(redis: RedisConnection): Promise<void> {
  try {
    await redis.ready(AbortSignal.timeout(REDIS_WAIT_MS));
  } catch (error) {
    throw new ServiceError(
      'UNAVAILABLE',
      'PLAYLIST_API_REDIS_AWAY',
      `Redis has not answered for ${REDIS_WAIT_MS / 1000} s: start it, or set redis.url (REDIS_URL) to where it is.`,
      { cause: error },
    );
  }
}
