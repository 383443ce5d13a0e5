/**
 * A real Apache Kafka on loopback, without Docker: what `scripts/kafka/kafka` runs.
 *
 *   up [1|3]     start, print the brokers' addresses separated by commas, and leave it running
 *   down         end it and delete its data
 *   status       the process id of each broker
 *   start N      start broker N with the data it has
 *   stop N       SIGTERM broker N
 *   kill N       kill -9 broker N
 *   --directory  where it is kept (default: .millrace/kafka)
 *
 * Exit codes: 0 done, 1 it failed, 2 wrong usage or something is missing (one sentence says what to do).
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { KafkaUnavailableError } from './distribution.ts';
import { KafkaCluster } from './kafka-cluster.ts';

const ROOT = join(import.meta.dirname, '../..');

/** A command that cannot be understood or done. */
class UsageError extends Error {}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { directory: { type: 'string', default: join(ROOT, '.millrace/kafka') } },
  });
  const directory = resolve(values.directory);
  const [command = '', argument] = positionals;
  if (command === 'up') {
    const cluster = await up(directory, argument ?? '1');
    process.stdout.write(`${cluster.addresses().join(',')}\n`);
    return;
  }
  if (!existsSync(join(directory, 'cluster.json'))) {
    if (command === 'down') return;
    throw new UsageError(`there is no Kafka in ${directory}: start one with "up"`);
  }
  const cluster = new KafkaCluster(directory);
  switch (command) {
    case 'down':
      return cluster.down();
    case 'status':
      for (const [index, pid] of cluster.pids.entries()) {
        process.stdout.write(`${index + 1} ${cluster.addresses()[index]} ${pid ?? 'down'}\n`);
      }
      return undefined;
    case 'start':
    case 'stop':
    case 'kill':
      return cluster[command](brokerOf(argument, cluster));
    default:
      throw new UsageError(
        'usage: kafka up [1|3] | down | status | start N | stop N | kill N [--directory D]',
      );
  }
}

/** What runs already is taken as it is. */
async function up(directory: string, count: string): Promise<KafkaCluster> {
  if (count !== '1' && count !== '3') throw new UsageError(`${count}: there can be 1 broker or 3`);
  if (existsSync(join(directory, 'cluster.json'))) {
    const cluster = new KafkaCluster(directory);
    if (cluster.pids.every((pid) => pid !== undefined)) return cluster;
    await cluster.down();
  }
  return KafkaCluster.create({ directory, brokers: count === '1' ? 1 : 3, isDetached: true });
}

function brokerOf(argument: string | undefined, cluster: KafkaCluster): number {
  const id = Number(argument);
  if (!Number.isInteger(id) || id < 1 || id > cluster.pids.length) {
    throw new UsageError(`${argument ?? 'nothing'}: there are the brokers 1 to ${cluster.pids.length}`);
  }
  return id;
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  const isUsage = error instanceof UsageError || error instanceof KafkaUnavailableError;
  process.exitCode =
    isUsage || (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS') === true ? 2 : 1;
}
