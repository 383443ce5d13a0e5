import { collectDefaultMetrics, Registry } from 'prom-client';

/**
 * How often the lag of the event loop is looked at; what is told of it begins there. Every 10 ms, as is the default, was two
 * fifths of the CPU of an idle process.
 */
const LAG_PRECISION_MS = 50;

/** Makes the registry of a process, with the usual process metrics and a `service` label on everything. */
export function createRegistry(service: string): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LAG_PRECISION_MS });
  return registry;
}
