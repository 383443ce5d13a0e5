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
import { IdleSegmentIndex } from './adapters/idle-segment-index.ts';
import { startPlaylistApi } from './app.ts';
import { playlistApiConfigSchema } from './config.ts';

const SERVICE = 'playlist-api';

await runService({
  service: SERVICE,
  schema: playlistApiConfigSchema,
  start: async (config) => {
    const logger = createLogger({ service: SERVICE, level: config.logLevel });
    checkOpenFileLimit({ 'http.maxConnections': config.http.maxConnections }, logger);
    const clock = Date.now;
    const registry = createRegistry(SERVICE);
    const bus = new MemoryEventBus({ logger, registry });
    const service = await startPlaylistApi(config, {
      sessions: new MemorySessionStore({ clock }),
      index: new IdleSegmentIndex(),
      events: createEventEmitter(bus, { service: SERVICE, instance: hostname(), clock }),
      logger,
      registry,
      clock,
    });
    return listenFor(service, { ...config, registry, logger });
  },
});
