import { Agent, get as httpGet } from 'node:http';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createLogger, MemorySessionStore } from '@millrace/runtime';
import { Registry } from 'prom-client';
import { packagerConfigSchema } from './config.ts';
import { servePackager } from './serve.ts';
import type { ServedPackager } from './serve.ts';

let served: ServedPackager | undefined;

async function serve(port = 0): Promise<ServedPackager> {
  return servePackager(packagerConfigSchema.parse({ http: { port }, admin: { port: 0 } }), {
    sessions: new MemorySessionStore({ clock: Date.now }),
    events: { emit: () => {} },
    logger: createLogger({ service: 'packager', level: 'error' }),
    registry: new Registry(),
    clock: Date.now,
  });
}

afterEach(async () => {
  await served?.stop(1000);
  served = undefined;
});

function statusOf(port: number, path: string, agent: Agent): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    httpGet({ host: '127.0.0.1', port, path, agent }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode));
    }).once('error', reject);
  });
}

describe('a packager with its own listeners', () => {
  test('is ready when it answers, and stops although a connection is kept alive', async () => {
    served = await serve();
    const agent = new Agent({ keepAlive: true });
    expect(await statusOf(served.httpAddress.port, '/media/nobody/720p/index.m3u8', agent)).toBe(404);
    expect(await statusOf(served.adminAddress.port, '/readyz', agent)).toBe(200);
    expect(await statusOf(served.adminAddress.port, '/metrics', agent)).toBe(200);
    await served.stop(10_000);
    await expect(statusOf(served.httpAddress.port, '/', new Agent())).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    });
    served = undefined;
    agent.destroy();
  });

  test('says in one sentence which port is taken', async () => {
    served = await serve();
    await expect(serve(served.httpAddress.port)).rejects.toMatchObject({
      id: 'LISTEN_FAILED',
      message: expect.stringContaining(String(served.httpAddress.port)),
    });
  });
});
