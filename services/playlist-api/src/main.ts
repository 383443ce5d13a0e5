import { createLogger, createRegistry, runService } from '@millrace/runtime';
import { playlistApiServiceConfigSchema } from './config.ts';
import { startPlaylistApiService } from './service.ts';

const SERVICE = 'playlist-api';

await runService({
  service: SERVICE,
  schema: playlistApiServiceConfigSchema,
  start: (config) =>
    startPlaylistApiService(config, {
      logger: createLogger({ service: SERVICE, level: config.logLevel }),
      registry: createRegistry(SERVICE),
      clock: Date.now,
    }),
});
