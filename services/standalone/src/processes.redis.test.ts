import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { useRedisServer } from '@millrace/runtime/contract';
import { ServiceProcess } from './testing/service-process.ts';
import { describeServiceProcess } from './testing/service-process-checks.ts';

jest.setTimeout(40_000);

const ADMIN_TOKEN = 'a-token-of-the-operator-01';
const PORTS = ['--http.port', '0', '--admin.port', '0', '--grpc.port', '0'];
/** Nobody listens there. */
const NOBODY = 'redis://127.0.0.1:1';

let running: ServiceProcess | undefined;
afterEach(async () => {
  await running?.stop();
  running = undefined;
});

function start(
  service: string,
  url: string,
  args: readonly string[] = [],
  options: { readonly maxOpenFiles?: number } = {},
): ServiceProcess {
  const env = {
    REDIS_URL: url,
    ...(service === 'playlist-api' ? { MILLRACE_ADMIN_TOKEN: ADMIN_TOKEN } : {}),
  };
  running = new ServiceProcess(service, [...PORTS, ...args], { env, ...options });
  return running;
}

describe.each(['packager', 'playlist-api'])('%s as a process, on Redis', (service) => {
  const { server } = useRedisServer();
  describeServiceProcess(service, (args, options) => start(service, server().url, args, options), {
    maxFiles: 64 + 8192,
    small: [],
    secret: ADMIN_TOKEN,
  });
});

test('a packager whose Redis does not answer says so, and serves what workers bring', async () => {
  const started = start('packager', NOBODY);
  const { admin } = await started.listening();
  expect((await fetch(`${admin}/readyz`)).status).toBe(200);
  expect(started.log.map(({ msg }) => String(msg))).toContainEqual(
    expect.stringMatching(/^Redis does not answer/),
  );
});

test('a playlist-api whose Redis does not answer is alive and not ready, and ends when it is told to', async () => {
  const started = start('playlist-api', NOBODY);
  const { admin } = await started.said('Health and metrics are served');
  expect((await fetch(`http://127.0.0.1:${String(admin)}/healthz`)).status).toBe(200);
  expect((await fetch(`http://127.0.0.1:${String(admin)}/readyz`)).status).toBe(503);
  expect(await started.stop()).toBe(0);
});
