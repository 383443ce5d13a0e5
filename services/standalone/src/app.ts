import { hostname } from 'node:os';
import { startIngest } from '@millrace/ingest';
import { startPackager } from '@millrace/packager';
import { openChannelFile, startPlaylistApi } from '@millrace/playlist-api';
import type { PlaylistApiDependencies, RunningPlaylistApi } from '@millrace/playlist-api';
import {
  checkOpenFileLimit,
  createEventEmitter,
  listenFor,
  LocalSessionPeers,
  MemoryEventBus,
  MemoryLeaseStore,
  MemorySessionStore,
  stopInOrder,
} from '@millrace/runtime';
import type {
  Clock,
  Control,
  EventEmitter,
  HttpService,
  ListenerAddresses,
  Logger,
  Stoppable,
} from '@millrace/runtime';
import type { SendSignal } from '@millrace/transcode-worker';
import { startTranscodeWorker, workerCapacityUnits } from '@millrace/transcode-worker';
import type { Registry } from 'prom-client';
import { keepAdminToken } from './admin-token.ts';
import type { StandaloneConfig } from './config.ts';

/** Pipes of an ffmpeg: nothing has more for its units than one that encodes audio alone, three for a quarter. */
const FILES_PER_UNIT = 12;

/** The worker calls ingest and the packager, ingest calls playlist-api, and that one reads the packager's index. */
const STOP_ORDER = ['worker', 'ingest', 'api', 'packager'] as const;

/** A whole Millrace in one process. */
export interface RunningStandalone extends HttpService, ListenerAddresses {
  readonly rtmpAddress: { readonly host: string; readonly port: number };
}

/**
 * Composes the services on embedded adapters: the same ports that gRPC, Redis and Kafka implement elsewhere.
 *
 * They are stopped in the order of who calls whom, so that no one talks to somebody who is not there, and within one deadline.
 * Throws `ServiceError` with one sentence for what is missing or taken.
 */
export async function startStandalone(
  config: StandaloneConfig,
  dependencies: {
    readonly logger: Logger;
    readonly registry: Registry;
    readonly clock: Clock;
    readonly sendSignal: SendSignal;
  },
): Promise<RunningStandalone> {
  const { logger, registry, clock, sendSignal } = dependencies;
  checkOpenFileLimit(
    {
      'http.maxConnections': config.http.maxConnections,
      'ingest.limits.connections': config.ingest.limits.connections,
      'worker.capacityUnits': Math.ceil(workerCapacityUnits(config.worker) * FILES_PER_UNIT),
    },
    logger,
  );
  const sessions = new MemorySessionStore({ clock });
  const leases = new MemoryLeaseStore({ clock });
  const bus = new MemoryEventBus({ logger, registry });
  const emitterOf = (service: string): EventEmitter =>
    createEventEmitter(bus, { service, instance: hostname(), clock });
  const shared = { logger, registry, clock, sessions };
  const started: Partial<Record<(typeof STOP_ORDER)[number], Stoppable>> = {};
  const stop = (deadlineMs: number): Promise<void> =>
    stopInOrder(
      STOP_ORDER.flatMap((name) => started[name] ?? []),
      deadlineMs,
    );
  try {
    const packager = await startPackager(config.packager, {
      ...shared,
      leases,
      events: emitterOf('packager'),
    });
    started.packager = packager;
    // Ingest asks playlist-api, and playlist-api's page shows the port that ingest was given: one has to come first.
    const control = new LateControl();
    const ingest = await startIngest(config.ingest, {
      ...shared,
      bus,
      control,
      events: emitterOf('ingest'),
      address: Promise.resolve(''),
      packagers: () => [],
    });
    started.ingest = ingest;
    const peers = new LocalSessionPeers({ relay: ingest.relay, packager });
    // The worker asks ffmpeg what it can do; playlist-api starts meanwhile.
    const starting = {
      worker: startTranscodeWorker(config.worker, {
        ...shared,
        leases,
        bus,
        peers,
        events: emitterOf('transcode-worker'),
        sendSignal,
      }),
      api: startApi(config, {
        ...{
          logger,
          registry,
          clock,
          sessions,
          leases,
          workers: () => [],
          peers,
          rtmpPort: ingest.rtmpAddress.port,
        },
        events: emitterOf('playlist-api'),
      }),
    };
    // Both are waited for, so that what did start is stopped when the other could not.
    const [apiStart, workerStart] = await Promise.allSettled([starting.api, starting.worker]);
    if (apiStart.status === 'fulfilled') started.api = apiStart.value;
    if (workerStart.status === 'fulfilled') started.worker = workerStart.value;
    const api = await starting.api;
    control.target = api.control;
    await starting.worker;
    const handler: HttpService['handler'] = (request, response) => {
      if (request.url?.startsWith('/media/') === true) packager.handler(request, response);
      else api.handler(request, response);
    };
    return await listenFor(async () => ({ handler, stop, rtmpAddress: ingest.rtmpAddress }), {
      ...config,
      registry,
      logger,
    });
  } catch (error) {
    await stop(0);
    throw error;
  }
}

async function startApi(
  config: StandaloneConfig,
  { rtmpPort, ...dependencies }: Omit<PlaylistApiDependencies, 'store'> & { readonly rtmpPort: number },
): Promise<RunningPlaylistApi> {
  const { playlistApi, stateDirectory, http, admin, logLevel } = config;
  const adminToken = config.adminToken ?? keepAdminToken(stateDirectory);
  const store = await openChannelFile(stateDirectory);
  const rtmp = { ...playlistApi.rtmp, publicPort: rtmpPort };
  return startPlaylistApi(
    { ...playlistApi, http, admin, logLevel, adminToken, rtmp },
    { ...dependencies, store },
  );
}

/** Passes on to a `Control` that is started later; an encoder that is quicker than that is refused and comes again. */
class LateControl implements Control {
  target: Control | undefined;

  authorizePublish(
    ...request: Parameters<Control['authorizePublish']>
  ): ReturnType<Control['authorizePublish']> {
    return this.#require().authorizePublish(...request);
  }

  #require(): Control {
    if (this.target === undefined) throw new Error('playlist-api is not started yet');
    return this.target;
  }
}
