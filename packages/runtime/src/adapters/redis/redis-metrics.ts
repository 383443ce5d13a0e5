import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';

/** What a connection to Redis shows. */
export interface RedisMetrics {
  readonly connections: Gauge<'state'>;
  readonly commandFailures: Counter<'error'>;
  readonly restoredRecords: Counter;
}

/** Defines the metrics of the connection to Redis, once for a registry. */
export function createRedisMetrics(registry: Registry): RedisMetrics {
  const registers = [registry];
  return {
    connections: new Gauge({
      name: 'millrace_redis_connections',
      help: 'Connections to Redis by state: ready, or away.',
      labelNames: ['state'],
      registers,
    }),
    commandFailures: new Counter({
      name: 'millrace_redis_command_failures_total',
      help: 'Commands that Redis did not answer in time or refused, by error id.',
      labelNames: ['error'],
      registers,
    }),
    restoredRecords: new Counter({
      name: 'millrace_redis_restored_records_total',
      help: 'Session records, channels and ladders that Redis had lost and this process brought back.',
      registers,
    }),
  };
}
