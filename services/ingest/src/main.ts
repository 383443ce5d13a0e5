import { createLogger, createRegistry, runService } from '@millrace/runtime';
import { ingestServiceConfigSchema } from './config.ts';
import { startIngestService } from './service.ts';

const SERVICE = 'ingest';

await runService({
  service: SERVICE,
  schema: ingestServiceConfigSchema,
  start: (config) =>
    startIngestService(config, {
      logger: createLogger({ service: SERVICE, level: config.logLevel }),
      registry: createRegistry(SERVICE),
      clock: Date.now,
    }),
});
