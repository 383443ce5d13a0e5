import type {
  Clock,
  Control,
  EventBus,
  EventEmitter,
  InstanceRegistration,
  Logger,
  MediaRelay,
  SessionStore,
} from '@millrace/runtime';
import type { Registry } from 'prom-client';
import { RtmpServer } from './adapters/rtmp-server.ts';
import type { IngestConfig } from './config.ts';
import { KeyAttempts } from './domain/key-attempts.ts';
import { PublicationDesk } from './domain/publication-desk.ts';
import { PublishAdmission } from './domain/publish-admission.ts';
import { Relay } from './domain/relay.ts';
import { SessionDirectory } from './domain/session-directory.ts';
import { SlabPool } from './domain/slab-pool.ts';
import { createIngestMetrics } from './metrics.ts';

export { ingestConfigSchema } from './config.ts';
export type { IngestConfig } from './config.ts';
export { createIngestMetrics } from './metrics.ts';

/** Gauges and batched counters are brought up to date this often. */
const REPORT_INTERVAL_MS = 1000;
/** Memory of ended sessions that is kept for the next ones. */
const MAX_FREE_BYTES = 256 * 1024 * 1024;

/** What ingest is built on. */
export interface IngestDependencies {
  readonly sessions: SessionStore;
  readonly control: Control;
  readonly bus: EventBus;
  readonly events: EventEmitter;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly clock: Clock;
  /** Where workers reach the relay, `host:port`; empty inside one process. Encoders that come before it is known wait. */
  readonly address: Promise<string>;
  /** The packagers that sessions may be placed on; none inside one process, where nobody looks at a placement. */
  readonly packagers: () => readonly InstanceRegistration[];
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
  const { sessions, control, bus, events, logger, registry, clock, address, packagers } = dependencies;
  const metrics = createIngestMetrics(registry);
  const pool = new SlabPool(Math.min(config.ring.maxTotalBytes / 8, MAX_FREE_BYTES));
  const directory = new SessionDirectory({
    store: sessions,
    dependencies: { clock, events, logger, metrics, ring: config.ring, pool, packagers },
  });
  const admission = new PublishAdmission({
    control,
    store: sessions,
    clock,
    logger,
    instance: config.instance,
    address,
    apps: config.rtmp.apps,
    storeHoldMs: config.storeHoldSeconds * 1000,
    attempts: new KeyAttempts(config.limits, clock),
  });
  const desk = new PublicationDesk({
    admission,
    store: sessions,
    directory,
    bus,
    clock,
    events,
    logger,
    maxRingBytes: config.ring.maxTotalBytes,
    limits: config.limits,
  });
  const server = new RtmpServer({ desk, config, clock, logger, metrics });
  const rtmpAddress = await server.start();
  directory.start();
  desk.start();
  const report = (): void => {
    directory.report(clock());
    server.report();
    metrics.ringBytes.set(directory.ringBytes);
    metrics.publications.set(desk.size);
  };
  const timer = setInterval(report, REPORT_INTERVAL_MS);
  logger.info({ host: rtmpAddress.address, port: rtmpAddress.port }, 'Listening for encoders');
  return {
    relay: new Relay({ sessions: directory, lagged: metrics.lagged, subscriptions: metrics.subscriptions }),
    rtmpAddress: { host: rtmpAddress.address, port: rtmpAddress.port },
    async stop(deadlineMs) {
      // Publications end first, each with a word to its encoder; then whoever is left.
      await desk.stop(deadlineMs / 2);
      await server.stop(deadlineMs / 2);
      clearInterval(timer);
      directory.stop();
      report();
    },
  };
}
