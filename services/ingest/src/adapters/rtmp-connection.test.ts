import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createLogger } from '@millrace/runtime';
import { Registry } from 'prom-client';
import { ingestConfigSchema } from '../config.ts';
import { createIngestMetrics } from '../metrics.ts';
import { RtmpConnection } from './rtmp-connection.ts';

/** C0, C1 and C2 of a simple handshake. */
const HANDSHAKE = Buffer.concat([Buffer.from([3]), Buffer.alloc(2 * 1536)]);
/** `connect` to the application `live`. */
const CONNECT = Buffer.from(
  '030000000000231400000000020007636f6e6e656374003ff00000000000000300036170700200046c697665000009',
  'hex',
);
/** Window acknowledgement size 1: every input wants an answer. */
const WINDOW_OF_ONE = Buffer.from('02000000000004050000000000000001', 'hex');
const PING = Buffer.from('02000000000006040000000000060000002a', 'hex');
/** What a message of video costs that nobody has asked for: it is dropped, and acknowledged. */
const VIDEO = Buffer.from('06000000000002090100000017ff', 'hex');

const registry = new Registry();
const metrics = createIngestMetrics(registry);
const config = ingestConfigSchema.parse({ limits: { outputBytes: 1000 } });
const logger = createLogger({ service: 'ingest', level: 'error', destination: { write: () => true } });

let directory: string;
let server: Server;
const connections: RtmpConnection[] = [];
const clients: Socket[] = [];

/** What an encoder at the other end of a Unix socket is: the system keeps little for one, unlike for TCP. */
async function open(): Promise<{ client: Socket; connection: RtmpConnection }> {
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const client = connect(join(directory, 'rtmp'));
  clients.push(client);
  client.on('error', () => undefined);
  const desk = { publish: () => Promise.reject(new Error('nobody publishes here')) };
  const connection = new RtmpConnection(await accepted, '', {
    desk,
    config,
    clock: Date.now,
    logger,
    metrics,
  });
  connections.push(connection);
  client.write(Buffer.concat([HANDSHAKE, CONNECT]));
  while (connection.phase !== 'connected') await turn();
  return { client, connection };
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-rtmp-'));
  server = createServer();
  await new Promise<void>((resolve) => server.listen(join(directory, 'rtmp'), resolve));
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const connection of connections.splice(0)) connection.cut();
  await new Promise((resolve) => server.close(resolve));
  rmSync(directory, { recursive: true, force: true });
});

describe('a connection', () => {
  test('that does not read its replies is closed when too many wait, counted, and no other with it', async () => {
    const deaf = await open();
    const other = await open();
    other.client.resume();
    deaf.client.write(WINDOW_OF_ONE);
    for (let sent = 0; deaf.connection.phase !== 'closed'; sent += 1) {
      if (sent === 100_000) throw new Error('it may wait for ever');
      deaf.client.write(VIDEO);
      await turn();
    }
    const { values } = await metrics.refused.get();
    expect(values).toEqual([
      expect.objectContaining({ labels: { reason: 'INGEST_OUTPUT_LIMIT' }, value: 1 }),
    ]);
    // What it would not read is not waited for: the socket is gone.
    deaf.client.resume();
    await new Promise((resolve) => deaf.client.once('close', resolve));
    const answer = new Promise((resolve) => other.client.once('data', resolve));
    other.client.write(PING);
    await answer;
    expect(other.connection.phase).toBe('connected');
  });
});
