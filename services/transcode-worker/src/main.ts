import { createLogger, createRegistry, runService } from '@millrace/runtime';
import { workerServiceConfigSchema } from './config.ts';
import { startWorkerService } from './service.ts';

const SERVICE = 'transcode-worker';

await runService({
  service: SERVICE,
  schema: workerServiceConfigSchema,
  start: (config) =>
    startWorkerService(config, {
      logger: createLogger({ service: SERVICE, level: config.logLevel }),
      registry: createRegistry(SERVICE),
      clock: Date.now,
      sendSignal: (pid, signal) => process.kill(pid, signal),
    }),
});
