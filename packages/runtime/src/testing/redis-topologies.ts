import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { RedisSentinel } from '../../../../scripts/redis/redis-sentinel.ts';
import { RedisServer } from '../../../../scripts/redis/redis-server.ts';
import { createCertificates } from '../adapters/kafka/testing/certificates.ts';
import { eventually } from './eventually.ts';
import { temporaryDirectory } from './redis-fixture.ts';
import type { RedisUnderTest } from './redis-fixture.ts';

/** The user of docs/redis.md, who may also empty the server: tests do. */
function documentedUser(): string {
  const page = readFileSync(join(import.meta.dirname, '../../../../docs/redis.md'), 'utf8');
  const [, rules] = /^user millrace on >password (.+)$/m.exec(page) ?? [];
  if (rules === undefined) throw new Error('docs/redis.md shows no user');
  return `user millrace on >opensesame ${rules} +flushall`;
}

/** Several servers as one. */
class RedisTopology implements RedisUnderTest {
  readonly connection: RedisUnderTest['connection'];
  readonly data: readonly RedisServer[];
  readonly #remove: () => Promise<unknown>;

  constructor(
    connection: RedisUnderTest['connection'],
    data: readonly RedisServer[],
    remove: () => Promise<unknown> = () => Promise.all(data.map((server) => server.remove())),
  ) {
    this.connection = connection;
    this.data = data;
    this.#remove = remove;
  }

  now(): number {
    return this.data[0]?.now() ?? 0;
  }

  advance(ms: number): void {
    for (const server of this.data) server.advance(ms);
  }

  async remove(): Promise<void> {
    await this.#remove();
  }
}

/** One server that takes TLS only, from clients that show a certificate, and knows one user with no more rights than needed. */
export async function startSecuredRedis(): Promise<RedisTopology> {
  const directory = temporaryDirectory();
  const { caFile, brokerFile, clientCertFile, clientKeyFile } = createCertificates(directory);
  const server = await RedisServer.start({
    directory,
    clock: 'movable',
    settings: (port) => [
      ...['port 0', `tls-port ${port}`, `tls-ca-cert-file ${caFile}`],
      ...[`tls-cert-file ${brokerFile}`, `tls-key-file ${brokerFile}`, 'tls-auth-clients yes'],
      ...['user default off', documentedUser()],
    ],
  });
  return new RedisTopology(
    {
      url: `rediss://127.0.0.1:${server.port}`,
      username: 'millrace',
      password: 'opensesame',
      tls: { caFile, certFile: clientCertFile, keyFile: clientKeyFile },
    },
    [server],
  );
}

/** A Cluster of three masters. */
export async function startRedisCluster(): Promise<RedisTopology> {
  const nodes = await Promise.all(
    [0, 1, 2].map(() =>
      RedisServer.start({
        directory: temporaryDirectory(),
        clock: 'movable',
        isClusterNode: true,
        // Clocks that jump are no reason to take a node for dead.
        settings: () => ['cluster-node-timeout 3600000'],
      }),
    ),
  );
  const clients = nodes.map(({ port }) => new Redis({ host: '127.0.0.1', port }));
  try {
    for (const [index, client] of clients.entries()) {
      const [from, to] = [Math.ceil((16_384 * index) / 3), Math.ceil((16_384 * (index + 1)) / 3) - 1];
      await client.call('CLUSTER', 'ADDSLOTSRANGE', from, to);
      await client.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
    }
    const [first] = clients;
    for (const { port, busPort } of nodes.slice(1))
      await first?.call('CLUSTER', 'MEET', '127.0.0.1', port, busPort);
    for (const client of clients) {
      await eventually(async () => {
        const info = String(await client.call('CLUSTER', 'INFO'));
        return info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:3');
      });
    }
  } finally {
    for (const client of clients) client.disconnect();
  }
  return new RedisTopology(
    { url: `redis://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`, cluster: true },
    nodes,
  );
}

/** A master and its replica, in step, under three Sentinels. */
export async function startRedisSentinel(): Promise<RedisTopology> {
  const sentinel = await RedisSentinel.start({ directory: temporaryDirectory(), clock: 'movable' });
  return new RedisTopology(sentinel.connection, sentinel.data, () => sentinel.remove());
}
