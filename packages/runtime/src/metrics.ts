import { collectDefaultMetrics, Registry } from 'prom-client';

/** Makes the registry of a process, with the usual process metrics and a `service` label on everything. */
export function createRegistry(service: string): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry });
  return registry;
}
