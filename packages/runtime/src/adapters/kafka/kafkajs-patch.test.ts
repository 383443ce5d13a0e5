import { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import { describe, expect, test } from '@jest/globals';

/** What `patches/kafkajs@2.2.4.patch` changes; when it is not applied, these fail. */
const load = createRequire(import.meta.url);

interface Connection {
  connect(): Promise<boolean>;
  readonly requestQueue: {
    throttleCheckTimeoutId: unknown;
    push(request: object): void;
    checkPendingRequests(): void;
    destroy(): void;
  };
}
const KafkaConnection = load('kafkajs/src/network/connection') as new (options: object) => Connection;

class FakeSocket extends EventEmitter {
  isDestroyed = false;
  write(): void {}
  end(): void {}
  unref(): void {}
  destroy(): void {
    this.isDestroyed = true;
  }
}

function createConnection() {
  const sockets: FakeSocket[] = [];
  const logger = { namespace: () => logger, debug: () => {}, error: () => {}, warn: () => {} };
  const connection = new KafkaConnection({
    host: 'kafka',
    port: 9092,
    logger,
    connectionTimeout: 1000,
    requestTimeout: 1000,
    enforceRequestTimeout: false,
    socketFactory: ({ onConnect }: { onConnect: () => void }) => {
      const socket = new FakeSocket();
      sockets.push(socket);
      queueMicrotask(onConnect);
      return socket;
    },
  });
  return { connection, sockets };
}

/** A response as it is on the wire. */
function frame(correlationId: number, payload: string): Buffer {
  const data = Buffer.from(payload);
  const bytes = Buffer.alloc(8 + data.length);
  bytes.writeInt32BE(4 + data.length);
  bytes.writeInt32BE(correlationId, 4);
  data.copy(bytes, 8);
  return bytes;
}

/** Waits for the response to a request. */
function request(connection: Connection, correlationId: number): Promise<{ readonly payload: Buffer }> {
  return new Promise((resolve, reject) => {
    connection.requestQueue.push({
      entry: { correlationId, apiName: 'Test', resolve, reject },
      expectResponse: true,
      sendRequest: () => {},
    });
  });
}

describe('a connection of kafkajs', () => {
  test('does not take the rest of a response that was cut off for the beginning of the next', async () => {
    const { connection, sockets } = createConnection();
    await connection.connect();
    const cut = request(connection, 1);
    cut.catch(() => {});
    sockets[0]?.emit('data', frame(1, 'a long response').subarray(0, 11));
    sockets[0]?.emit('error', new Error('connection reset'));
    await expect(cut).rejects.toThrow('connection reset');
    await connection.connect();
    const next = request(connection, 2);
    sockets[1]?.emit('data', frame(2, 'answer'));
    expect((await next).payload.toString()).toBe('answer');
  });

  test('fails with its requests, not with the process, when what it reads makes no sense', async () => {
    const { connection, sockets } = createConnection();
    await connection.connect();
    const answer = request(connection, 1);
    answer.catch(() => {});
    sockets[0]?.emit('data', Buffer.from([0, 0, 0, 2, 0, 0]));
    await expect(answer).rejects.toThrow('Connection error');
    expect(sockets[0]?.isDestroyed).toBe(true);
  });

  test('is opened once for all that wait for it', async () => {
    const { connection, sockets } = createConnection();
    await Promise.all([connection.connect(), connection.connect()]);
    expect(sockets).toHaveLength(1);
  });

  test('keeps no timer when no request waits', async () => {
    const { connection } = createConnection();
    await connection.connect();
    connection.requestQueue.checkPendingRequests();
    expect(connection.requestQueue.throttleCheckTimeoutId).toBeNull();
  });
});
