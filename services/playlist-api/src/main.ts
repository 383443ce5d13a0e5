import { hostname } from 'node:os';
import {
  createEventEmitter,
  createLogger,
  createRegistry,
  MemoryEventBus,
  MemorySessionStore,
  runService,
} from '@millrace/runtime';
import { IdleSegmentIndex } from './adapters/idle-segment-index.ts';
import { playlistApiConfigSchema } from './config.ts';
import { servePlaylistApi } from './serve.ts';

const SERVICE = 'playlist-api';

await runService({
  service: SERVICE,
  schema: playlistApiConfigSchema,
  start: (config) => {
    const logger = createLogger({ service: SERVICE, level: config.logLevel });
    const clock = Date.now;
    const bus = new MemoryEventBus({ logger });
    return servePlaylistApi(config, {
      sessions: new MemorySessionStore({ clock }),
      index: new IdleSegmentIndex(),
      events: createEventEmitter(bus, { service: SERVICE, instance: hostname(), clock }),
      logger,
      registry: createRegistry(SERVICE),
      clock,
    });
  },
});
