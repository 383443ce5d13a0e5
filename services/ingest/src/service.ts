import {
  checkOpenFileLimit,
  createGuardMetrics,
  createOutboundGuard,
  GrpcChannel,
  GrpcControl,
  keepRegistered,
  MESSAGE_LIMITS,
  mediaRelayService,
  openPlatform,
  served,
  startAdminServer,
  startGrpcServer,
  stopInOrder,
  watchInstances,
} from '@millrace/runtime';
import type { Clock, Logger, Stoppable } from '@millrace/runtime';
import type { Registry } from 'prom-client';
import { startIngest } from './app.ts';
import type { IngestServiceConfig } from './config.ts';

const SERVICE = 'ingest';

/** An ingest that is a process of its own. */
export interface RunningIngestService extends Stoppable {
  readonly rtmpAddress: { readonly host: string; readonly port: number };
  readonly grpcAddress: { readonly host: string; readonly port: number };
  readonly adminAddress: { readonly address: string; readonly port: number };
}

/** Starts ingest on Redis, Kafka and gRPC. Throws `ServiceError` with one sentence for what is missing or taken. */
export async function startIngestService(
  config: IngestServiceConfig,
  dependencies: { readonly logger: Logger; readonly registry: Registry; readonly clock: Clock },
): Promise<RunningIngestService> {
  const { logger, registry, clock } = dependencies;
  const { instance, grpc } = config;
  checkOpenFileLimit({ 'limits.connections': config.limits.connections }, logger);
  const platform = openPlatform(config, { service: SERVICE, instance, ...dependencies });
  const { sessions, bus, events, instances, grpcMetrics } = platform;
  const started: Stoppable[] = [platform];
  let isReady = false;
  const stop = async (deadlineMs: number): Promise<void> => {
    isReady = false;
    await stopInOrder(started, deadlineMs);
  };
  try {
    await platform.begun();
    const channel = await GrpcChannel.open({
      ...{ address: config.control.address, tls: grpc.tls, limits: MESSAGE_LIMITS.control, logger },
    });
    started.unshift({ stop: async () => channel.close() });
    const packagers = watchInstances(instances, 'packager', logger);
    started.unshift(packagers);
    const guard = createOutboundGuard({ peer: 'control', metrics: createGuardMetrics(registry), logger });
    const reachable = Promise.withResolvers<string>();
    const ingest = await startIngest(config, {
      ...{ sessions, bus, events, logger, registry, clock, address: reachable.promise },
      packagers: () => packagers.list,
      control: new GrpcControl(channel, guard),
    });
    started.unshift(ingest);
    const server = await startGrpcServer({
      ...{ host: grpc.host, port: grpc.port, tls: grpc.tls, limits: served(MESSAGE_LIMITS.relay) },
      ...{ services: [mediaRelayService(ingest.relay)], logger, metrics: grpcMetrics },
    });
    // Publications end first, with a word to workers; then the server has nothing left to wait for.
    started.splice(1, 0, server);
    const address = grpc.advertisedAddress ?? `${server.address.host}:${server.address.port}`;
    reachable.resolve(address);
    const admin = await startAdminServer({ ...config.admin, registry, isReady: () => isReady, logger });
    started.push({ stop: () => admin.stop() });
    const capacityUnits = config.limits.connections;
    const registration = keepRegistered(
      instances,
      () => ({ kind: 'ingest', id: instance, address, capacityUnits, loadUnits: 0, isDraining: !isReady }),
      logger,
    );
    started.unshift(registration);
    isReady = true;
    platform.startEvents();
    return {
      rtmpAddress: ingest.rtmpAddress,
      grpcAddress: server.address,
      adminAddress: admin.address,
      stop,
    };
  } catch (error) {
    await stop(0);
    throw error;
  }
}
