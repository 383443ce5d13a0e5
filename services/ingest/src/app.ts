import type {
  Clock,
  Control,
  EventBus,
  EventEmitter,
  Logger,
  MediaRelay,
  SessionStore,
} from '@millrace/runtime';
import type { Registry } from 'prom-client';
import { RtmpServer } from './adapters/rtmp-server.ts';
import type { IngestConfig } from './config.ts';
import { PublicationDesk } from './domain/publication-desk.ts';
import { Relay } from './domain/relay.ts';
import { SessionDirectory } from './domain/session-directory.ts';
import { createIngestMetrics } from './metrics.ts';

export { ingestConfigSchema } from './config.ts';
export type { IngestConfig } from './config.ts';
export { createIngestMetrics } from './metrics.ts';

/** What ingest is built on. */
export interface IngestDependencies {
  readonly sessions: SessionStore;
  readonly control: Control;
  readonly bus: EventBus;
  readonly events: EventEmitter;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly clock: Clock;
}

/** A running ingest. */
export interface RunningIngest {
  readonly relay: MediaRelay;
  readonly rtmpAddress: { readonly host: string; readonly port: number };
  /** Closes the listener, ends the publications, then frees the sessions. */
  stop(deadlineMs: number): Promise<void>;
}

/** Starts ingest: it listens for encoders until it is stopped. Throws `LISTEN_FAILED` for a port it cannot have. */
export async function startIngest(
  config: IngestConfig,
  dependencies: IngestDependencies,
): Promise<RunningIngest> {
  const { sessions, control, bus, events, logger, registry, clock } = dependencies;
  const metrics = createIngestMetrics(registry);
  const directory = new SessionDirectory({
    store: sessions,
    dependencies: { clock, events, logger, metrics, ring: config.ring },
  });
  const desk = new PublicationDesk({
    control,
    store: sessions,
    directory,
    bus,
    clock,
    events,
    logger,
    instance: config.instance,
    apps: config.rtmp.apps,
    storeHoldMs: config.storeHoldSeconds * 1000,
  });
  const server = new RtmpServer({ desk, config, clock, logger, metrics });
  const measure = setInterval(() => {
    let ringBytes = 0;
    for (const { session } of directory.all()) ringBytes += session.ringBytes;
    metrics.ringBytes.set(ringBytes);
    metrics.publications.set(desk.size);
  }, 1000);
  directory.start();
  desk.start();
  const address = await server.start();
  logger.info({ host: address.address, port: address.port }, 'Listening for encoders');
  return {
    relay: new Relay({ sessionOf: (id) => directory.get(id), lagged: metrics.lagged }),
    rtmpAddress: { host: address.address, port: address.port },
    async stop() {
      clearInterval(measure);
      await desk.stop();
      await server.stop();
      directory.stop();
    },
  };
}
