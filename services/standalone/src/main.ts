import { createLogger, createRegistry, runService } from '@millrace/runtime';
import { startStandalone } from './app.ts';
import { standaloneConfigSchema } from './config.ts';

const SERVICE = 'standalone';

await runService({
  service: SERVICE,
  schema: standaloneConfigSchema,
  async start(config) {
    const logger = createLogger({ service: SERVICE, level: config.logLevel });
    const running = await startStandalone(config, {
      logger,
      registry: createRegistry(SERVICE),
      clock: Date.now,
      sendSignal: (pid, signal) => process.kill(pid, signal),
    });
    const { rtmpAddress, httpAddress, adminAddress } = running;
    if (config.printAddresses) {
      const addresses = {
        ready: true,
        rtmp: `rtmp://${rtmpAddress.host}:${rtmpAddress.port}/live`,
        http: `http://${httpAddress.address}:${httpAddress.port}`,
        admin: `http://${adminAddress.address}:${adminAddress.port}`,
      };
      process.stdout.write(`${JSON.stringify(addresses)}\n`);
    }
    return running;
  },
});
