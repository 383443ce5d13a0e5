import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';

/** Metrics of ingest. */
export type IngestMetrics = ReturnType<typeof createIngestMetrics>;

/** Defines every metric of ingest. */
export function createIngestMetrics(registry: Registry) {
  const registers = [registry];
  return {
    connections: new Gauge({
      name: 'millrace_ingest_connections',
      help: 'RTMP connections that are open, by what they are doing.',
      labelNames: ['state'] as const,
      registers,
    }),
    publications: new Gauge({
      name: 'millrace_ingest_publications',
      help: 'Publications that are accepted.',
      registers,
    }),
    standbys: new Gauge({
      name: 'millrace_ingest_standby_encoders',
      help: 'Encoders that stand by for another one of their channel.',
      registers,
    }),
    refused: new Counter({
      name: 'millrace_ingest_refused_total',
      help: 'Connections and publications that were refused or closed, by error id.',
      labelNames: ['reason'] as const,
      registers,
    }),
    receivedBytes: new Counter({
      name: 'millrace_ingest_received_bytes_total',
      help: 'Bytes received from encoders.',
      registers,
    }),
    accessUnits: new Counter({
      name: 'millrace_ingest_access_units_total',
      help: 'Access units that were laid out, by track kind and by whether they were made up to fill a hole.',
      labelNames: ['kind', 'state'] as const,
      registers,
    }),
    periods: new Counter({
      name: 'millrace_ingest_periods_total',
      help: 'Periods that were opened, by reason.',
      labelNames: ['reason'] as const,
      registers,
    }),
    warnings: new Counter({
      name: 'millrace_ingest_input_warnings_total',
      help: 'Things in the input that a user should hear about, by id; frames that were dropped or repeated one by one.',
      labelNames: ['id'] as const,
      registers,
    }),
    sessionAge: new Gauge({
      name: 'millrace_ingest_session_age_seconds',
      help: 'Age of the newest access unit of a session: now - (pts + utcOffset).',
      labelNames: ['channel', 'session'] as const,
      registers,
    }),
    ringBytes: new Gauge({
      name: 'millrace_ingest_ring_bytes',
      help: 'Recent media that is kept for workers, over all sessions.',
      registers,
    }),
    subscriptions: new Gauge({
      name: 'millrace_ingest_subscriptions',
      help: 'Subscriptions of workers that are open.',
      registers,
    }),
    lagged: new Counter({
      name: 'millrace_ingest_lagged_subscribers_total',
      help: 'Subscriptions that were ended because the ring had passed them.',
      registers,
    }),
  };
}
