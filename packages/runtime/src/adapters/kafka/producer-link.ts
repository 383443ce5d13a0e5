import type { Logger } from '../../logger.ts';
import { createKafkaClient, RETRY, withAdmin } from './client.ts';
import type { EventsConfig, KafkaConfig } from './config.ts';
import { RecordsRefusedError } from './outbox-pump.ts';
import type { ProducerLink } from './outbox-pump.ts';
import { ensureTopics, EVENTS_TOPIC, fetchPartitions } from './topics.ts';

/** With `RETRY`'s waits about 10 s: longer than a partition takes to find another leader. */
const SEND_RETRIES = 12;
/** What a broker says to records that it will not have. */
const REFUSALS: ReadonlySet<unknown> = new Set([
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
]);

/** Connects a producer to the events topic, after seeing to it that the topics are there. */
export async function openProducerLink(
  options: { readonly kafka: KafkaConfig; readonly events: EventsConfig },
  logger: Logger,
): Promise<ProducerLink> {
  const { kafka, createPartitioner } = await createKafkaClient(options.kafka, logger);
  const partitionMetadata = await withAdmin(kafka, async (admin) => {
    await ensureTopics(admin, options.events, logger);
    return fetchPartitions(admin, EVENTS_TOPIC);
  });
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    metadataMaxAge: 30_000,
    createPartitioner,
    retry: { ...RETRY, retries: SEND_RETRIES },
  });
  try {
    await producer.connect();
  } catch (error) {
    await producer.disconnect();
    throw error;
  }
  const choosePartition = createPartitioner();
  return {
    partitionOf: (key) =>
      choosePartition({
        topic: EVENTS_TOPIC,
        partitionMetadata: [...partitionMetadata],
        message: { key, value: null },
      }),
    async send(partition, records) {
      try {
        await producer.send({
          topic: EVENTS_TOPIC,
          acks: -1,
          timeout: 10_000,
          messages: records.map(({ key, value, headers }) => ({ partition, key, value, headers })),
        });
      } catch (error) {
        if (REFUSALS.has(protocolErrorOf(error))) {
          throw new RecordsRefusedError(`Kafka refused events: ${(error as Error).message}`, {
            cause: error,
          });
        }
        throw error;
      }
    },
    close: () => producer.disconnect(),
  };
}

/** The type of a Kafka protocol error, wherever kafkajs has wrapped it. */
function protocolErrorOf(error: unknown): unknown {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('type' in cause) return cause.type;
  }
  return undefined;
}
