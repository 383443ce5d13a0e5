import { Agent, get as httpGet } from 'node:http';
import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { listenFor } from './http-server.ts';
import type { HttpService, ListenerAddresses } from './http-server.ts';

type Served = HttpService & ListenerAddresses;

let served: Served | undefined;
let stops = 0;
let registry = new Registry();

function answerNotFound(response: ServerResponse): void {
  response.writeHead(404).end();
}

async function serve(
  port = 0,
  maxConnections = 10,
  { idleTimeoutMs = 30_000, answer = answerNotFound } = {},
): Promise<Served> {
  stops = 0;
  registry = new Registry();
  const service: HttpService = {
    handler: (_request, response) => answer(response),
    async stop() {
      stops += 1;
    },
  };
  return listenFor(async () => service, {
    http: { host: '127.0.0.1', port, maxConnections, idleTimeoutMs },
    admin: { host: '127.0.0.1', port: 0 },
    logger: pino({ level: 'silent' }),
    registry,
  });
}

/** Stops what runs and starts another one. */
async function restartWith(answer: typeof answerNotFound): Promise<Served> {
  await served?.stop(1000);
  return serve(0, 10, { answer });
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

describe('a service with listeners', () => {
  test('is ready when it answers, and stops although a connection is kept alive', async () => {
    served = await serve();
    const agent = new Agent({ keepAlive: true });
    expect(await statusOf(served.httpAddress.port, '/', agent)).toBe(404);
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
    expect(stops).toBe(1);
  });

  test('closes a connection that sends request after request without reading, and holds nothing of it', async () => {
    const held = new Set<ServerResponse>();
    served = await serve(0, 10, {
      answer: (response) => {
        held.add(response);
        response.once('close', () => held.delete(response));
      },
    });
    const { port } = served.httpAddress;
    const greedy = connect(port, '127.0.0.1');
    greedy.on('error', () => undefined);
    const closed = new Promise((resolve) => greedy.once('close', resolve));
    greedy.write('GET /next HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(2000));
    await closed;
    while (held.size > 0) await new Promise((resolve) => setImmediate(resolve));
    const counted = await registry.getSingleMetric('millrace_http_pipelining_connections_total')?.get();
    expect(counted?.values[0]?.value).toBe(1);
    // As many as a client may have under way are answered, one after the other.
    served = await restartWith(answerNotFound);
    const patient = connect(served.httpAddress.port, '127.0.0.1');
    let text = '';
    patient.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    patient.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(16));
    while (text.split('HTTP/1.1 404').length <= 16) await new Promise((resolve) => setImmediate(resolve));
    patient.destroy();
  });

  test('closes a connection over the limit at once, counts it, and goes on with the others', async () => {
    served = await serve(0, 1);
    const agent = new Agent({ keepAlive: true });
    expect(await statusOf(served.httpAddress.port, '/', agent)).toBe(404);
    await expect(statusOf(served.httpAddress.port, '/', new Agent())).rejects.toMatchObject({
      code: 'ECONNRESET',
    });
    expect(await registry.metrics()).toContain('millrace_http_dropped_connections_total 1');
    expect(await statusOf(served.httpAddress.port, '/', agent)).toBe(404);
    agent.destroy();
  });

  test('lets go of a reader that takes nothing (O-6)', async () => {
    const { promise, resolve } = Promise.withResolvers<ServerResponse>();
    served = await serve(0, 10, { idleTimeoutMs: 50, answer: resolve });
    const reader = connect(served.httpAddress.port, '127.0.0.1').on('error', () => {});
    reader.pause().write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const response = await promise;
    const closed = new Promise((done) => response.once('close', done));
    // More than the buffers of both sides can take.
    response.end(Buffer.alloc(32 * 1024 * 1024));
    await closed;
    expect(response.writableFinished).toBe(false);
    reader.destroy();
  });
});
