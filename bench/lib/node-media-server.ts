import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { MeasuredProcess, SERVER_CORE } from './measured-process.ts';
import type { MeasuredServer } from './measured-server.ts';
import { freePort, waitForPort } from './ports.ts';

const require = createRequire(import.meta.url);
const PACKAGE_DIRECTORY = dirname(dirname(require.resolve('node-media-server')));

/** The installed Node-Media-Server, `4.4.3`. */
export function nodeMediaServerVersion(): string {
  const { version } = JSON.parse(readFileSync(join(PACKAGE_DIRECTORY, 'package.json'), 'utf8')) as {
    version: string;
  };
  return version;
}

/** Node-Media-Server as its own program starts it, without page, authorisation and TLS. */
export async function startNodeMediaServer(): Promise<MeasuredServer> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-nms-'));
  const [rtmpPort, httpPort] = [await freePort(), await freePort()];
  const config = {
    bind: '127.0.0.1',
    store: { path: join(directory, 'data') },
    auth: { play: false, publish: false, secret: 'unused' },
    rtmp: { port: rtmpPort },
    http: { port: httpPort },
    webadmin: { enable: false },
    record: { auto: false, path: join(directory, 'record') },
  };
  const path = join(directory, 'config.json');
  writeFileSync(path, JSON.stringify(config));
  const measured = new MeasuredProcess(
    process.execPath,
    [join(PACKAGE_DIRECTORY, 'bin/app.js'), '-c', path, '--no-admin'],
    {
      core: SERVER_CORE,
      cwd: directory,
    },
  );
  // It says a line for each publication; nobody reads them, but the pipe must not fill.
  measured.child.stdout?.resume();
  await waitForPort(rtmpPort);
  return {
    process: measured,
    port: rtmpPort,
    async stop() {
      await measured.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
