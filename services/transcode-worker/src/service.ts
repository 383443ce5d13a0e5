import { keepRegistered, openPlatform, startAdminServer, stopInOrder } from '@millrace/runtime';
import type { Clock, Logger, RunningService, Stoppable } from '@millrace/runtime';
import type { Registry } from 'prom-client';
import type { SendSignal } from './adapters/child-process.ts';
import { startTranscodeWorker } from './app.ts';
import type { WorkerServiceConfig } from './config.ts';

const SERVICE = 'transcode-worker';

/** A worker that is a process of its own. */
export interface RunningWorkerService extends RunningService {
  readonly adminAddress: { readonly address: string; readonly port: number };
}

/** Starts a worker on Redis, Kafka and gRPC. Throws `ServiceError` with one sentence for what is missing or taken. */
export async function startWorkerService(
  config: WorkerServiceConfig,
  dependencies: {
    readonly logger: Logger;
    readonly registry: Registry;
    readonly clock: Clock;
    readonly sendSignal: SendSignal;
  },
): Promise<RunningWorkerService> {
  const { logger, registry } = dependencies;
  const { instance } = config;
  const platform = openPlatform(config, { service: SERVICE, instance, ...dependencies });
  const started: Stoppable[] = [platform];
  let isReady = false;
  const stop = async (deadlineMs: number): Promise<void> => {
    isReady = false;
    await stopInOrder(started, deadlineMs);
  };
  try {
    await platform.begun();
    const { sessions, leases, bus, peers, events, instances } = platform;
    const worker = await startTranscodeWorker(config, {
      ...dependencies,
      sessions,
      leases,
      bus,
      peers,
      events,
    });
    started.unshift(worker);
    const admin = await startAdminServer({ ...config.admin, registry, isReady: () => isReady, logger });
    started.push({ stop: () => admin.stop() });
    const registration = keepRegistered(
      instances,
      () => ({
        ...{ kind: 'worker', id: instance, address: '' },
        ...{ capacityUnits: worker.capacityUnits, loadUnits: worker.loadUnits, isDraining: !isReady },
      }),
      logger,
    );
    started.unshift(registration);
    isReady = true;
    platform.startEvents();
    return {
      adminAddress: admin.address,
      async drain() {
        isReady = false;
        await worker.drain(config.drain.gracePeriodSeconds * 1000);
      },
      stop,
    };
  } catch (error) {
    await stop(0);
    throw error;
  }
}
