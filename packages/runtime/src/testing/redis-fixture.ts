import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll } from '@jest/globals';
import { Registry } from 'prom-client';
import { RedisServer } from '../../../../scripts/redis/redis-server.ts';
import type { RedisServerOptions } from '../../../../scripts/redis/redis-server.ts';
import { RedisConnection } from '../adapters/redis/redis-connection.ts';
import { createRedisMetrics } from '../adapters/redis/redis-metrics.ts';
import { redisSchema } from '../adapters/redis/redis-config.ts';
import type { RedisConfig } from '../adapters/redis/redis-config.ts';
import { createLogger } from '../logger.ts';

/** A logger that writes nothing. */
export const silentLogger = createLogger({
  service: 'test',
  level: 'error',
  destination: { write: () => undefined },
});

/** Connections to one server that a test makes; all are closed after each test. */
export interface RedisFixture {
  readonly server: RedisServer;
  /** A connection that takes commands. */
  readonly connect: () => Promise<RedisConnection>;
  /** Ends something of the test after it, before the connections are closed. */
  readonly onEnd: (stop: () => Promise<void>) => void;
}

/** One server for the tests of a file, emptied before each use. */
export function useRedisServer(options: Omit<RedisServerOptions, 'directory'> = {}): {
  readonly fresh: () => Promise<RedisFixture>;
} {
  let server: RedisServer | undefined;
  const connections = new Set<RedisConnection>();
  const stops: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    server = await RedisServer.start({ ...options, directory: temporaryDirectory() });
  });
  afterEach(async () => {
    await Promise.all(stops.splice(0).map((stop) => stop()));
    for (const connection of connections) connection.stop();
    connections.clear();
  });
  afterAll(async () => {
    await server?.remove();
  });

  return {
    fresh: async () => {
      if (server === undefined) throw new Error('the server is not started');
      const running = server;
      const connect = async (): Promise<RedisConnection> => {
        const connection = await connectTo(redisSchema.parse({ url: running.url }));
        connections.add(connection);
        return connection;
      };
      await (await connect()).do((client) => client.flushall());
      return { server, connect, onEnd: (stop) => void stops.push(stop) };
    },
  };
}

/** A new folder for a server of a test; who removes the server removes it. */
function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'millrace-redis-'));
}

/** A connection that takes commands. */
export async function connectTo(config: RedisConfig): Promise<RedisConnection> {
  const connection = new RedisConnection(config, {
    logger: silentLogger,
    metrics: createRedisMetrics(new Registry()),
    name: 'millrace-test',
  });
  connection.start();
  try {
    await connection.ready(AbortSignal.timeout(10_000));
  } catch (error) {
    connection.stop();
    throw error;
  }
  return connection;
}
