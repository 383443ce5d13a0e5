import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { KafkaCluster } from '../kafka/kafka-cluster.ts';
import { RedisServer } from '../redis/redis-server.ts';

/** What the separate services need. */
export interface Dependencies {
  readonly redisUrl: string;
  readonly kafkaBrokers: readonly string[];
  /** The ones that were started here; absent where others are used. */
  readonly redis?: RedisServer;
  readonly kafka?: KafkaCluster;
  /** Ends what was started here and deletes its data. */
  stop(): Promise<void>;
}

/**
 * Takes the Redis and the Kafka that `REDIS_URL` and `KAFKA_BROKERS` name, and starts what is not named: on loopback, on ports
 * that the system chooses. They end with this process, however that ends.
 */
export async function startDependencies(directory: string, env: NodeJS.ProcessEnv): Promise<Dependencies> {
  const { REDIS_URL: redisUrl = '', KAFKA_BROKERS: kafkaBrokers = '' } = env;
  const redisDirectory = join(directory, 'redis');
  const kafkaDirectory = join(directory, 'kafka');
  // What a run left that was killed.
  for (const left of [redisDirectory, kafkaDirectory]) rmSync(left, { recursive: true, force: true });
  const [redis, kafka] = await Promise.allSettled([
    redisUrl === '' ? RedisServer.start({ directory: redisDirectory }) : undefined,
    kafkaBrokers === '' ? KafkaCluster.create({ directory: kafkaDirectory, brokers: 1 }) : undefined,
  ]);
  const startedRedis = redis.status === 'fulfilled' ? redis.value : undefined;
  const startedKafka = kafka.status === 'fulfilled' ? kafka.value : undefined;
  const stop = async (): Promise<void> => {
    await Promise.all([startedRedis?.remove(), startedKafka?.down()]);
  };
  if (redis.status === 'rejected' || kafka.status === 'rejected') {
    await stop();
    throw redis.status === 'rejected' ? redis.reason : (kafka as PromiseRejectedResult).reason;
  }
  return {
    redisUrl: startedRedis?.url ?? redisUrl,
    kafkaBrokers: startedKafka?.addresses() ?? kafkaBrokers.split(','),
    ...(startedRedis === undefined ? {} : { redis: startedRedis }),
    ...(startedKafka === undefined ? {} : { kafka: startedKafka }),
    stop,
  };
}
