import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RedisServer } from './redis-server.ts';
import type { RedisServerOptions } from './redis-server.ts';

/** The name under which Sentinels know the master. */
const MASTER_NAME = 'millrace';
const SENTINELS = 3;
const READY_DEADLINE_MS = 30_000;
const POLL_MS = 50;

/** How the servers are set up. */
export interface RedisSentinelOptions {
  /** Where they keep what they have; made when it is missing. */
  readonly directory: string;
  /** The clock of those that hold data. */
  readonly clock?: RedisServerOptions['clock'];
}

/** A real master and its replica, in step, under three real Sentinels, on loopback, for tests and development. */
export class RedisSentinel {
  /** The first master, and what takes its place. */
  readonly data: readonly RedisServer[];
  readonly #sentinels: readonly RedisServer[];
  readonly #directory: string;

  private constructor(data: readonly RedisServer[], sentinels: readonly RedisServer[], directory: string) {
    this.data = data;
    this.#sentinels = sentinels;
    this.#directory = directory;
  }

  /** Starts them; resolves when a fail-over would work: a majority knows of each other and of the replica. */
  static async start({ directory, clock }: RedisSentinelOptions): Promise<RedisSentinel> {
    const started: RedisServer[] = [];
    const start = async (name: string, options: Partial<RedisServerOptions>): Promise<RedisServer> => {
      const server = await RedisServer.start({ directory: join(directory, name), ...options });
      started.push(server);
      return server;
    };
    // Clocks that jump are no reason to give a connection up.
    const data = (name: string, ...settings: readonly string[]): Promise<RedisServer> =>
      start(name, {
        ...(clock === undefined ? {} : { clock }),
        settings: () => ['repl-timeout 3600', ...settings],
      });
    try {
      const master = await data('first');
      const replica = await data('second', `replicaof 127.0.0.1 ${master.port}`);
      await answered(replica, 'INFO replication', /master_link_status:up/);
      const watch = [
        `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${master.port} 2`,
        `sentinel down-after-milliseconds ${MASTER_NAME} 1000`,
        `sentinel failover-timeout ${MASTER_NAME} 4000`,
      ];
      const sentinels = await Promise.all(
        Array.from({ length: SENTINELS }, (_, index) =>
          start(`sentinel-${index + 1}`, { isSentinel: true, settings: () => watch }),
        ),
      );
      await Promise.all(
        sentinels.map((sentinel) =>
          answered(sentinel, 'INFO sentinel', new RegExp(`status=ok,.*slaves=1,sentinels=${SENTINELS}`)),
        ),
      );
      return new RedisSentinel([master, replica], sentinels, directory);
    } catch (error) {
      await Promise.all(started.map((server) => server.remove()));
      throw error;
    }
  }

  /** How to connect, in the words of the configuration. */
  get connection(): { readonly url: string; readonly sentinel: { readonly name: string } } {
    const addresses = this.#sentinels.map(({ port }) => `127.0.0.1:${port}`);
    return { url: `redis://${addresses.join(',')}`, sentinel: { name: MASTER_NAME } };
  }

  /** Kills the first master; resolves when its replica has taken its place. */
  async failOver(): Promise<void> {
    const [master, replica] = this.data;
    if (master === undefined || replica === undefined) throw new Error('there is no pair to fail over');
    await master.kill();
    await answered(replica, 'INFO replication', /role:master/);
  }

  /** Ends them and removes their folders. */
  async remove(): Promise<void> {
    await Promise.all([...this.data, ...this.#sentinels].map((server) => server.remove()));
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Asks until the answer is the wanted one. A server that is being promoted cuts the connections of its clients. */
async function answered(server: RedisServer, command: string, wanted: RegExp): Promise<void> {
  const deadlineMs = performance.now() + READY_DEADLINE_MS;
  for (;;) {
    const answer = await server.ask(command).catch(() => '');
    if (wanted.test(answer)) return;
    if (performance.now() > deadlineMs) throw new Error(`${command}: not ${String(wanted)}, but ${answer}`);
    await sleep(POLL_MS);
  }
}
