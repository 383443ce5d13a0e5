import {
  checkOpenFileLimit,
  GrpcSessionCopies,
  keepRegistered,
  listenFor,
  MESSAGE_LIMITS,
  openPlatform,
  renditionSinkService,
  segmentIndexService,
  served,
  sessionCopyService,
  startGrpcServer,
  stopInOrder,
  watchInstances,
} from '@millrace/runtime';
import type { Clock, ListenerAddresses, Logger, Stoppable } from '@millrace/runtime';
import type { Registry } from 'prom-client';
import { startPackager } from './app.ts';
import type { PackagerServiceConfig } from './config.ts';

const SERVICE = 'packager';

/** A packager that is a process of its own. */
export interface RunningPackagerService extends Stoppable, ListenerAddresses {
  readonly grpcAddress: { readonly host: string; readonly port: number };
}

/** Starts a packager on Redis, Kafka and gRPC. Throws `ServiceError` with one sentence for what is missing or taken. */
export async function startPackagerService(
  config: PackagerServiceConfig,
  dependencies: { readonly logger: Logger; readonly registry: Registry; readonly clock: Clock },
): Promise<RunningPackagerService> {
  const { logger, registry } = dependencies;
  const { instance, grpc } = config;
  checkOpenFileLimit({ 'http.maxConnections': config.http.maxConnections }, logger);
  const platform = openPlatform(config, { service: SERVICE, instance, ...dependencies });
  const started: Stoppable[] = [platform];
  let isReady = false;
  const stop = async (deadlineMs: number): Promise<void> => {
    isReady = false;
    await stopInOrder(started, deadlineMs);
  };
  try {
    const { sessions, leases, events, instances, grpcMetrics } = platform;
    // Whoever is asked before it knows of sessions and of other packagers can only say "later".
    await platform.begun();
    const copies = new GrpcSessionCopies({ tls: grpc.tls, logger });
    const packagers = watchInstances(instances, 'packager', logger);
    started.unshift(packagers, { stop: () => copies.close() });
    const packager = await startPackager(config, {
      ...{ ...dependencies, sessions, leases, events },
      twins: { instance, copies, packagers: () => packagers.list },
    });
    started.unshift(packager);
    const server = await startGrpcServer({
      ...{ host: grpc.host, port: grpc.port, tls: grpc.tls, limits: served(MESSAGE_LIMITS.twin) },
      services: [
        renditionSinkService(packager.sink),
        segmentIndexService(packager.index),
        sessionCopyService(packager.copy),
      ],
      ...{ logger, metrics: grpcMetrics },
    });
    // Readers of the index are let go first; then the server has nothing left to wait for.
    started.splice(1, 0, server);
    const address = grpc.advertisedAddress ?? `${server.address.host}:${server.address.port}`;
    const listening = await listenFor(async () => ({ handler: packager.handler, stop }), {
      ...config,
      registry,
      logger,
    });
    const { httpAddress: http } = listening;
    const httpAddress = config.http.advertisedAddress ?? `${hostOf(http)}:${http.port}`;
    const registration = keepRegistered(
      instances,
      () => ({
        ...{ kind: 'packager', id: instance, address, httpAddress, capacityUnits: config.limits.maxSessions },
        ...{ loadUnits: packager.sessionCount, isDraining: !isReady },
      }),
      logger,
    );
    started.unshift(registration);
    isReady = true;
    platform.startEvents();
    return { ...listening, grpcAddress: server.address };
  } catch (error) {
    await stop(0);
    throw error;
  }
}

function hostOf({ address, family }: ListenerAddresses['httpAddress']): string {
  return family === 'IPv6' ? `[${address}]` : address;
}
