import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { startIngest } from '@millrace/ingest';
import { startPackager } from '@millrace/packager';
import { startPlaylistApi } from '@millrace/playlist-api';
import { startTranscodeWorker } from '@millrace/transcode-worker';
import {
  createEventEmitter,
  listen,
  MemoryEventBus,
  MemoryLeaseStore,
  MemorySessionStore,
  startAdminServer,
} from '@millrace/runtime';
import type { Clock, Control, EventEmitter, Logger } from '@millrace/runtime';
import type { Registry } from 'prom-client';
import { keepAdminToken } from './admin-token.ts';
import type { StandaloneConfig } from './config.ts';

/** A whole Millrace in one process. */
export interface RunningStandalone {
  readonly rtmpAddress: { readonly host: string; readonly port: number };
  readonly httpAddress: AddressInfo;
  readonly adminAddress: AddressInfo;
  stop(deadlineMs: number): Promise<void>;
}

/**
 * Composes the services on embedded adapters: the same ports that gRPC, Redis and Kafka implement elsewhere.
 *
 * They are started from the viewer's end to the encoder's and stopped the other way round, so that no one talks to somebody
 * who is not there. Throws `ServiceError` with one sentence for what is missing or taken.
 */
export async function startStandalone(
  config: StandaloneConfig,
  dependencies: { readonly logger: Logger; readonly registry: Registry; readonly clock: Clock },
): Promise<RunningStandalone> {
  const { logger, registry, clock } = dependencies;
  const sessions = new MemorySessionStore({ clock });
  const leases = new MemoryLeaseStore({ clock });
  const bus = new MemoryEventBus({ logger });
  const emitterOf = (service: string): EventEmitter =>
    createEventEmitter(bus, { service, instance: hostname(), clock });
  const shared = { logger, registry, clock, sessions };
  const started: { stop(deadlineMs: number): Promise<void> }[] = [];
  const stopAll = async (deadlineMs: number): Promise<void> => {
    for (const service of started.toReversed()) await service.stop(deadlineMs);
  };

  try {
    const packager = await startPackager(config.packager, { ...shared, events: emitterOf('packager') });
    started.push(packager);
    // Encoders and the page need ports of each other: ingest is asked for its port before it has one when the system chooses.
    let control: Control | undefined;
    const ingest = await startIngest(config.ingest, {
      ...shared,
      bus,
      events: emitterOf('ingest'),
      control: {
        authorizePublish: (request) => requireControl(control).authorizePublish(request),
        getChannel: (request) => requireControl(control).getChannel(request),
      },
    });
    started.push(ingest);
    const api = await startPlaylistApi(
      {
        ...config.playlistApi,
        http: config.http,
        admin: config.admin,
        logLevel: config.logLevel,
        stateDirectory: config.stateDirectory,
        adminToken: config.adminToken ?? keepAdminToken(config.stateDirectory),
        rtmp: { ...config.playlistApi.rtmp, publicPort: ingest.rtmpAddress.port },
      },
      { ...shared, index: packager.index, events: emitterOf('playlist-api') },
    );
    started.push(api);
    control = api.control;
    const worker = await startTranscodeWorker(config.worker, {
      ...shared,
      leases,
      relay: ingest.relay,
      sink: packager.sink,
      events: emitterOf('transcode-worker'),
    });
    started.push(worker);
    const http = await serve(config.http, (request, response) => {
      if (request.url?.startsWith('/media/') === true) packager.handler(request, response);
      else api.handler(request, response);
    });
    started.push(http);
    let isReady = true;
    const admin = await startAdminServer({ ...config.admin, registry, isReady: () => isReady, logger });
    started.push(admin);
    return {
      rtmpAddress: ingest.rtmpAddress,
      httpAddress: http.address,
      adminAddress: admin.address,
      stop: (deadlineMs) => {
        isReady = false;
        return stopAll(deadlineMs);
      },
    };
  } catch (error) {
    await stopAll(0);
    throw error;
  }
}

function requireControl(control: Control | undefined): Control {
  if (control === undefined) throw new Error('playlist-api is not started yet');
  return control;
}

/** The one public port: `/media` is the packager's, everything else playlist-api's. */
async function serve(
  address: { readonly host: string; readonly port: number },
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ readonly address: AddressInfo; stop(deadlineMs: number): Promise<void> }> {
  const server = createServer(
    { requestTimeout: 30_000, headersTimeout: 10_000, maxHeaderSize: 16 * 1024 },
    handler,
  );
  return {
    address: await listen(server, address, 'HTTP'),
    stop: (deadlineMs) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => server.closeAllConnections(), deadlineMs);
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}
