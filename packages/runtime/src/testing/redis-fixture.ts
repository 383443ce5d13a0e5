import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll } from '@jest/globals';
import { Registry } from 'prom-client';
import type { z } from 'zod';
import { RedisServer } from '../../../../scripts/redis/redis-server.ts';
import type { RedisServerOptions } from '../../../../scripts/redis/redis-server.ts';
import { RedisConnection } from '../adapters/redis/redis-connection.ts';
import { createRedisMetrics } from '../adapters/redis/redis-metrics.ts';
import { redisSchema } from '../adapters/redis/redis-config.ts';
import { createLogger } from '../logger.ts';

/** A logger that writes nothing. */
export const silentLogger = createLogger({
  service: 'test',
  level: 'error',
  destination: { write: () => undefined },
});

/** One or more real servers, and how to reach them. */
export interface RedisUnderTest {
  /** In the words of the configuration. */
  readonly connection: z.input<typeof redisSchema>;
  /** Wall clock of the servers, ms since 1970. */
  now(): number;
  /** Lets time pass for the servers, when their clocks can be moved. */
  advance(ms: number): void;
  /** Ends them and removes what they left. */
  remove(): Promise<void>;
}

/** Connections of a test; all are closed after it. */
export interface RedisFixture<T extends RedisUnderTest = RedisUnderTest> {
  readonly server: T;
  /** A connection that takes commands. */
  readonly connect: () => Promise<RedisConnection>;
  /** Ends something of the test after it, before the connections are closed. */
  readonly onEnd: (stop: () => Promise<void>) => void;
}

/** Servers for the tests of a file, emptied before each. */
export function useRedis<T extends RedisUnderTest>(
  start: () => Promise<T>,
): { readonly fresh: () => Promise<RedisFixture<T>>; readonly server: () => T } {
  let server: T | undefined;
  const connections = new Set<RedisConnection>();
  const stops: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    server = await start();
  });
  afterEach(async () => {
    await Promise.all(stops.splice(0).map((stop) => stop()));
    for (const connection of connections) connection.stop();
    connections.clear();
  });
  afterAll(async () => {
    await server?.remove();
  });

  const started = (): T => {
    if (server === undefined) throw new Error('the server is not started');
    return server;
  };
  return {
    server: started,
    fresh: async () => {
      const { connection: settings } = started();
      const connect = async (): Promise<RedisConnection> => {
        const connection = await connectTo(settings);
        connections.add(connection);
        return connection;
      };
      await (await connect()).onEachMaster((client) => client.flushall());
      return { server: started(), connect, onEnd: (stop) => void stops.push(stop) };
    },
  };
}

/** One server for the tests of a file. */
export function useRedisServer(options: Omit<RedisServerOptions, 'directory'> = {}) {
  return useRedis(() => RedisServer.start({ ...options, directory: temporaryDirectory() }));
}

/** A new folder for a server of a test; who removes the server removes it. */
export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'millrace-redis-'));
}

/** A connection that takes commands. */
export async function connectTo(settings: RedisUnderTest['connection']): Promise<RedisConnection> {
  const connection = new RedisConnection(redisSchema.parse(settings), {
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
