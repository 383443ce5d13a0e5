import { hostname } from 'node:os';
import {
  checkOpenFileLimit,
  createEventEmitter,
  createLogger,
  createRegistry,
  listenFor,
  MemoryEventBus,
  MemorySessionStore,
  runService,
} from '@millrace/runtime';
import { startPackager } from './app.ts';
import { packagerConfigSchema } from './config.ts';

const SERVICE = 'packager';

await runService({
  service: SERVICE,
  schema: packagerConfigSchema,
  start: async (config) => {
    const logger = createLogger({ service: SERVICE, level: config.logLevel });
    checkOpenFileLimit({ 'http.maxConnections': config.http.maxConnections }, logger);
    const clock = Date.now;
    const registry = createRegistry(SERVICE);
    const service = await startPackager(config, {
      sessions: new MemorySessionStore({ clock }),
      events: createEventEmitter(new MemoryEventBus({ logger, registry }), {
        service: SERVICE,
        instance: hostname(),
        clock,
      }),
      logger,
      registry,
      clock,
    });
    return listenFor(service, { ...config, registry, logger });
  },
});
