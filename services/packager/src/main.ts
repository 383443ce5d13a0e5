import { createLogger, createRegistry, runService } from '@millrace/runtime';
import { packagerServiceConfigSchema } from './config.ts';
import { startPackagerService } from './service.ts';

const SERVICE = 'packager';

await runService({
  service: SERVICE,
  schema: packagerServiceConfigSchema,
  start: (config) =>
    startPackagerService(config, {
      logger: createLogger({ service: SERVICE, level: config.logLevel }),
      registry: createRegistry(SERVICE),
      clock: Date.now,
    }),
});
