import { z } from 'zod';

const port = String.raw`([1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])`;
const BROKER = new RegExp(String.raw`^([^\s:,/]+|\[[0-9a-fA-F:]+\]):${port}$`);
const DAY_MS = 24 * 3600 * 1000;

/** The `kafka` section: where Kafka is and how to get in. */
export const kafkaConfigSchema = z
  .object({
    brokers: z
      .array(z.string().regex(BROKER, 'must be host:port'))
      .default([])
      .meta({ alias: 'KAFKA_BROKERS' })
      .describe('Brokers to begin with, host:port; the others are learnt from them.'),
    clientId: z
      .string()
      .min(1)
      .max(128)
      .default('millrace')
      .describe("Name in the brokers' logs, quotas and metrics."),
    tls: z
      .object({
        enabled: z.boolean().default(false).describe('Connect with TLS.'),
        caFile: z
          .string()
          .min(1)
          .optional()
          .describe(
            "PEM file of the authorities that the brokers' certificates come from; the system's when absent.",
          ),
        certFile: z
          .string()
          .min(1)
          .optional()
          .describe('PEM file of the own certificate, for brokers that ask for one.'),
        keyFile: z.string().min(1).optional().describe('PEM file of the key of the own certificate.'),
      })
      .prefault({}),
    sasl: z
      .object({
        mechanism: z
          .enum(['none', 'plain', 'scram-sha-256', 'scram-sha-512'])
          .default('none')
          .describe('How to log in.'),
        username: z.string().min(1).optional().describe('User name.'),
        password: z.string().min(1).meta({ secret: true }).optional().describe('Password.'),
      })
      .prefault({}),
  })
  .superRefine((config, context) => {
    const problem = (path: readonly string[], message: string): void =>
      context.addIssue({ code: 'custom', path: [...path], message });
    if ((config.tls.certFile === undefined) !== (config.tls.keyFile === undefined)) {
      problem(['tls', 'keyFile'], 'tls.certFile and tls.keyFile are set together');
    }
    if (!config.tls.enabled && (config.tls.caFile ?? config.tls.certFile) !== undefined) {
      problem(['tls', 'enabled'], 'has to be true for the files to be used');
    }
    if (config.sasl.mechanism !== 'none') {
      if (config.sasl.username === undefined) problem(['sasl', 'username'], 'is missing');
      if (config.sasl.password === undefined) problem(['sasl', 'password'], 'is missing');
    }
  })
  .prefault({});

/** The `events` section: topics, and what may wait while Kafka is away. */
export const eventsConfigSchema = z
  .object({
    manageTopics: z
      .boolean()
      .default(true)
      .describe('Create the topics that are missing, and say when existing ones are not as configured.'),
    partitions: z
      .number()
      .int()
      .min(1)
      .max(1000)
      .default(12)
      .describe('Partitions of a topic that is created.'),
    replicationFactor: z
      .number()
      .int()
      .min(1)
      .max(7)
      .optional()
      .describe('Copies of a topic that is created; 3, or as many as there are brokers, when absent.'),
    retentionMs: z
      .number()
      .int()
      .min(60_000)
      .default(7 * DAY_MS)
      .describe('How long events are kept, in ms.'),
    telemetryRetentionMs: z
      .number()
      .int()
      .min(60_000)
      .default(DAY_MS)
      .describe('How long telemetry is kept, in ms.'),
    outboxEvents: z
      .number()
      .int()
      .min(1)
      .max(1_000_000)
      .default(10_000)
      .describe('Events that may wait while Kafka is away; beyond, the oldest are dropped and counted.'),
    outboxBytes: z
      .number()
      .int()
      .min(1024)
      .default(16 * 1024 * 1024)
      .describe('The same in bytes.'),
  })
  .prefault({});

/** Where Kafka is and how to get in. */
export type KafkaConfig = z.infer<typeof kafkaConfigSchema>;

/** Topics, and what may wait while Kafka is away. */
export type EventsConfig = z.infer<typeof eventsConfigSchema>;

/** The sections that a program needs which has a `KafkaEventBus`. */
export const eventBusConfigSchema = z.object({ kafka: kafkaConfigSchema, events: eventsConfigSchema });
