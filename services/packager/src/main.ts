import { hostname } from 'node:os';
import {
  createEventEmitter,
  createLogger,
  createRegistry,
  MemoryEventBus,
  MemorySessionStore,
  runService,
} from '@millrace/runtime';
import { packagerConfigSchema } from './config.ts';
import { servePackager } from './serve.ts';

const SERVICE = 'packager';

await runService({
  service: SERVICE,
  schema: packagerConfigSchema,
  start: (config) => {
    const logger = createLogger({ service: SERVICE, level: config.logLevel });
    const clock = Date.now;
    return servePackager(config, {
      sessions: new MemorySessionStore({ clock }),
      events: createEventEmitter(new MemoryEventBus({ logger }), {
        service: SERVICE,
        instance: hostname(),
        clock,
      }),
      logger,
      registry: createRegistry(SERVICE),
      clock,
    });
  },
});
