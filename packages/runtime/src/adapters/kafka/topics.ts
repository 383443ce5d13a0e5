import type { Admin, PartitionMetadata } from 'kafkajs';
import type { Logger } from '../../logger.ts';
import { ServiceError } from '../../service-error.ts';
import type { EventsConfig } from './config.ts';

/** Topic of what happened. */
export const EVENTS_TOPIC = 'millrace.events.v1';
/** Topic of what is measured. */
const TELEMETRY_TOPIC = 'millrace.telemetry.v1';

interface WantedTopic {
  readonly topic: string;
  readonly retentionMs: number;
}

/**
 * Creates the topics that are missing and logs in what way the others differ from the configuration; they are left as they are.
 *
 * With `manageTopics` off, nothing. A topic keeps its partitions: more would send channels elsewhere, out of order.
 */
export async function ensureTopics(admin: Admin, config: EventsConfig, logger: Logger): Promise<void> {
  if (!config.manageTopics) return;
  const wanted: readonly WantedTopic[] = [
    { topic: EVENTS_TOPIC, retentionMs: config.retentionMs },
    { topic: TELEMETRY_TOPIC, retentionMs: config.telemetryRetentionMs },
  ];
  const existing = new Set(await admin.listTopics());
  const missing = wanted.filter(({ topic }) => !existing.has(topic));
  if (missing.length > 0) await createTopics(admin, missing, config, logger);
  const present = wanted.filter(({ topic }) => existing.has(topic));
  if (present.length > 0) await compareTopics(admin, present, config, logger);
}

async function createTopics(
  admin: Admin,
  topics: readonly WantedTopic[],
  config: EventsConfig,
  logger: Logger,
): Promise<void> {
  const { brokers } = await admin.describeCluster();
  const replicationFactor = config.replicationFactor ?? Math.min(3, brokers.length);
  // One copy may be away without a write waiting for it, and what is acknowledged is in two.
  const minInsync = replicationFactor >= 3 ? 2 : 1;
  const areCreated = await admin.createTopics({
    waitForLeaders: true,
    topics: topics.map(({ topic, retentionMs }) => ({
      topic,
      numPartitions: config.partitions,
      replicationFactor,
      configEntries: [
        { name: 'retention.ms', value: String(retentionMs) },
        { name: 'min.insync.replicas', value: String(minInsync) },
        { name: 'cleanup.policy', value: 'delete' },
      ],
    })),
  });
  // False: another instance was quicker.
  if (!areCreated) return;
  logger.info(
    { topics: topics.map(({ topic }) => topic), partitions: config.partitions, replicationFactor },
    'Topics created',
  );
}

async function compareTopics(
  admin: Admin,
  topics: readonly WantedTopic[],
  config: EventsConfig,
  logger: Logger,
): Promise<void> {
  const { default: kafkajs } = await import('kafkajs');
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: topics.map(({ topic }) => ({
      type: kafkajs.ConfigResourceTypes.TOPIC,
      name: topic,
      configNames: ['retention.ms'],
    })),
  });
  for (const { topic, retentionMs } of topics) {
    const entries = resources.find(({ resourceName }) => resourceName === topic)?.configEntries ?? [];
    const actual = entries.find(({ configName }) => configName === 'retention.ms')?.configValue;
    if (actual === undefined || Number(actual) === retentionMs) continue;
    logger.warn(
      { topic, retentionMs: Number(actual), configuredMs: retentionMs },
      'A topic keeps events for another time than configured: change one of them (kafka-configs --alter)',
    );
  }
  const { topics: metadata } = await admin.fetchTopicMetadata({ topics: topics.map(({ topic }) => topic) });
  for (const { name, partitions } of metadata) {
    if (partitions.length === config.partitions) continue;
    logger.info(
      { topic: name, partitions: partitions.length, configured: config.partitions },
      'A topic has another number of partitions than configured; it stays as it is',
    );
  }
}

/** The partitions of a topic; throws `KAFKA_TOPIC_MISSING` when there is no such topic. */
export async function fetchPartitions(admin: Admin, topic: string): Promise<readonly PartitionMetadata[]> {
  // Asking for the metadata of a topic that is not there is tried again by kafkajs for as long as it can.
  const existing = await admin.listTopics();
  if (!existing.includes(topic)) {
    throw new ServiceError(
      'FAILED_PRECONDITION',
      'KAFKA_TOPIC_MISSING',
      `Kafka has no topic ${topic}: create it, or let Millrace do it with events.manageTopics`,
      { retryable: true },
    );
  }
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  return topics[0]?.partitions ?? [];
}
