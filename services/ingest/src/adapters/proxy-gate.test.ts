import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { looksLikeProxyHeader, ProxyGate } from './proxy-gate.ts';
import { PROXY_SIGNATURE } from './proxy-header.ts';

/** `PROXY`, TCP over IPv4, from 192.0.2.7. */
const HEADER = Buffer.concat([PROXY_SIGNATURE, Buffer.from('2111000cc0000207c63364091234078f', 'hex')]);

let server: Server | undefined;
let gate: ProxyGate | undefined;
const clients: Socket[] = [];

afterEach(async () => {
  gate?.stop();
  for (const client of clients.splice(0)) client.destroy();
  await new Promise((resolve) => server?.close(resolve));
});

/** A server behind a gate; who passes gets an answer of what the gate learnt and of everything that was sent behind the header. */
async function start(
  options: { trustedAddresses?: string[]; deadlineMs?: number; maxWaiting?: number } = {},
): Promise<{ readonly port: number; readonly refused: string[] }> {
  const refused: string[] = [];
  const guard = new ProxyGate({
    ...{ trustedAddresses: ['127.0.0.0/8'], deadlineMs: 10_000, maxWaiting: 10, ...options },
    onPass: (socket, address) => {
      socket.write(`${address}|`);
      socket.on('data', (bytes) => socket.write(bytes));
      socket.on('error', () => undefined);
    },
    onRefuse: (address, id) => refused.push(`${address} ${id}`),
  });
  gate = guard;
  server = createServer((socket) => guard.enter(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, refused };
}

function dial(port: number): Socket {
  const client = connect(port, '127.0.0.1').setEncoding('utf8');
  client.on('error', () => undefined);
  clients.push(client);
  return client;
}

/** What comes back until it is as long as expected. */
async function read(client: Socket, expected: string): Promise<string> {
  let text = '';
  while (text.length < expected.length) text += String((await once(client, 'data'))[0]);
  return text;
}

describe('the gate for balancers', () => {
  test('a balancer speaks for the encoder, also byte by byte, and nothing behind its header is lost', async () => {
    const { port } = await start();
    const whole = dial(port);
    whole.write(Buffer.concat([HEADER, Buffer.from('first')]));
    expect(await read(whole, '192.0.2.7|first')).toBe('192.0.2.7|first');
    whole.write('second');
    expect(await read(whole, 'second')).toBe('second');

    const slow = dial(port);
    slow.setNoDelay(true);
    for (const byte of HEADER) {
      slow.write(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    slow.write('rest');
    expect(await read(slow, '192.0.2.7|rest')).toBe('192.0.2.7|rest');
  });

  test('whoever is no balancer passes as who it is', async () => {
    const { port } = await start({ trustedAddresses: ['10.0.0.0/8', '::1'] });
    const client = dial(port);
    client.write('hello');
    expect(await read(client, '127.0.0.1|hello')).toBe('127.0.0.1|hello');
  });

  test('a balancer without a header, with half of one or with another one is closed, each for its reason', async () => {
    const { port, refused } = await start({ deadlineMs: 200 });
    const ends = [undefined, HEADER.subarray(0, 20), Buffer.from([3])].map((bytes) => {
      const client = dial(port);
      if (bytes !== undefined) client.write(bytes);
      client.resume();
      return once(client, 'close');
    });
    await Promise.all(ends);
    expect(refused.toSorted()).toEqual([
      '127.0.0.1 INGEST_PROXY_HEADER_INVALID',
      '127.0.0.1 INGEST_PROXY_HEADER_MISSING',
      '127.0.0.1 INGEST_PROXY_HEADER_MISSING',
    ]);
  });

  test('only so many wait for their header, and one that leaves makes room', async () => {
    const { port, refused } = await start({ maxWaiting: 1 });
    const waiting = dial(port);
    waiting.write(HEADER.subarray(0, 5));
    await once(waiting, 'connect');
    const second = dial(port).resume();
    await once(second, 'close');
    expect(refused).toEqual(['127.0.0.1 INGEST_CONNECTION_LIMIT']);
    waiting.write(HEADER.subarray(5));
    expect(await read(waiting, '192.0.2.7|')).toBe('192.0.2.7|');
    const third = dial(port);
    third.write(HEADER);
    expect(await read(third, '192.0.2.7|')).toBe('192.0.2.7|');
  });

  test('a header is told from an RTMP handshake', () => {
    expect(looksLikeProxyHeader(HEADER)).toBe(true);
    expect(looksLikeProxyHeader(Buffer.from([3, 0, 0, 0, 0, 0]))).toBe(false);
    expect(looksLikeProxyHeader(Buffer.alloc(0))).toBe(false);
  });
});
