import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';

/** Defines the metrics of the event bus on Kafka. */
export function createKafkaEventMetrics(registry: Registry) {
  const registers = [registry];
  return {
    outboxEvents: new Gauge({
      name: 'millrace_events_outbox_events',
      help: 'Events that wait to be written to Kafka.',
      registers,
    }),
    outboxBytes: new Gauge({
      name: 'millrace_events_outbox_bytes',
      help: 'Size of the events that wait to be written to Kafka.',
      registers,
    }),
    published: new Counter({
      name: 'millrace_events_published_total',
      help: 'Events that Kafka has acknowledged.',
      registers,
    }),
    unpublished: new Counter({
      name: 'millrace_events_unpublished_total',
      help: 'Events that were given up, by reason: `outbox-full` (the oldest), `too-large`, `malformed`, `stopped`.',
      labelNames: ['reason'] as const,
      registers,
    }),
    received: new Counter({
      name: 'millrace_events_received_total',
      help: 'Events read from Kafka.',
      registers,
    }),
    unreadable: new Counter({
      name: 'millrace_events_unreadable_total',
      help: 'Records read from Kafka and skipped, by reason: `malformed`, `unknown-type` (written by another version).',
      labelNames: ['reason'] as const,
      registers,
    }),
    connected: new Gauge({
      name: 'millrace_events_connected',
      help: '1 while the role, `producer` or `consumer`, works; 0 while it tries to reach Kafka.',
      labelNames: ['role'] as const,
      registers,
    }),
    failures: new Counter({
      name: 'millrace_events_failures_total',
      help: 'Times that the role, `producer` or `consumer`, could not connect or broke down and was made anew.',
      labelNames: ['role'] as const,
      registers,
    }),
  };
}

/** The metrics of the event bus on Kafka. */
export type KafkaEventMetrics = ReturnType<typeof createKafkaEventMetrics>;
