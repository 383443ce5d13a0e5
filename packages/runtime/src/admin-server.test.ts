import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { Counter, Registry } from 'prom-client';
import { startAdminServer } from './admin-server.ts';
import type { RunningAdminServer } from './admin-server.ts';

const logger = pino({ level: 'silent' });
let isReady = false;
let server: RunningAdminServer;
let base = '';

beforeEach(async () => {
  const registry = new Registry();
  new Counter({ name: 'millrace_test_things_total', help: 'Things.', registers: [registry] }).inc(3);
  isReady = false;
  server = await startAdminServer({ port: 0, host: '127.0.0.1', registry, isReady: () => isReady, logger });
  base = `http://127.0.0.1:${server.address.port}`;
});

afterEach(() => server.stop());

describe('admin server', () => {
  test('is healthy while it can answer, ready when the service says so', async () => {
    expect((await fetch(`${base}/healthz`)).status).toBe(200);
    expect((await fetch(`${base}/readyz`)).status).toBe(503);
    isReady = true;
    expect((await fetch(`${base}/readyz`)).status).toBe(200);
  });

  test('shows the metrics in the format of Prometheus', async () => {
    const response = await fetch(`${base}/metrics?x=1`);
    expect(response.headers.get('content-type')).toContain('text/plain');
    expect(await response.text()).toContain('millrace_test_things_total 3');
  });

  test('knows no other path and takes no other method', async () => {
    expect((await fetch(`${base}/secret`)).status).toBe(404);
    expect((await fetch(`${base}/metrics`, { method: 'POST' })).status).toBe(405);
  });

  test('names a port that is taken', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    try {
      await expect(
        startAdminServer({ port, host: '127.0.0.1', registry: new Registry(), isReady: () => true, logger }),
      ).rejects.toMatchObject({
        id: 'LISTEN_FAILED',
        message: `The admin port 127.0.0.1:${port} is taken by another program: stop it or set another port.`,
      });
    } finally {
      await new Promise((resolve) => other.close(resolve));
    }
  });
});
