import { readFileSync } from 'node:fs';
import type { Admin, Kafka, KafkaConfig as ClientOptions, Partitioners, SASLOptions } from 'kafkajs';
import type { Logger } from '../../logger.ts';
import { ServiceError } from '../../service-error.ts';
import type { KafkaConfig } from './config.ts';
import { withDeadline } from './deadline.ts';

/** The client library, and one client of it. */
export interface KafkaClient {
  readonly kafka: Kafka;
  readonly createPartitioner: (typeof Partitioners)['DefaultPartitioner'];
}

/**
 * Every value is written out: kafkajs has others under `NODE_ENV=test`. About 5 s, so that a broker that starts again or a
 * partition that changes its leader is waited for within one call; longer outages are waited for outside of the client.
 */
export const RETRY = { initialRetryTime: 100, maxRetryTime: 1000, factor: 0.2, multiplier: 2, retries: 8 };

const DISCONNECT_DEADLINE_MS = 2000;

/** Makes a client; kafkajs is loaded with the first, since it costs a start-up more than the rest of a service. */
export async function createKafkaClient(config: KafkaConfig, logger: Logger): Promise<KafkaClient> {
  const { default: kafkajs } = await import('kafkajs');
  const kafka = new kafkajs.Kafka({
    brokers: [...config.brokers],
    clientId: config.clientId,
    connectionTimeout: 3000,
    authenticationTimeout: 10_000,
    requestTimeout: 10_000,
    retry: RETRY,
    ...readTls(config),
    ...saslOf(config),
    logLevel: kafkajs.logLevel.WARN,
    // What it calls an error is an attempt that it makes again. What matters is logged and counted by who calls it.
    logCreator:
      () =>
      ({ namespace, label, log }) =>
        logger.debug({ namespace, label, broker: log['broker'], error: log['error'] }, log.message),
  });
  return { kafka, createPartitioner: kafkajs.Partitioners.DefaultPartitioner };
}

/**
 * Reads the files of the `kafka.tls` section; anew for every client, so that a renewed certificate is used.
 *
 * Throws `KAFKA_TLS_FILE_UNREADABLE`.
 */
export function readTls(config: KafkaConfig): Pick<ClientOptions, 'ssl'> {
  const { tls } = config;
  if (!tls.enabled) return {};
  return {
    ssl: {
      ...(tls.caFile === undefined ? {} : { ca: [read('caFile', tls.caFile)] }),
      ...(tls.certFile === undefined ? {} : { cert: read('certFile', tls.certFile) }),
      ...(tls.keyFile === undefined ? {} : { key: read('keyFile', tls.keyFile) }),
    },
  };
}

function read(setting: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ServiceError(
      'INVALID_ARGUMENT',
      'KAFKA_TLS_FILE_UNREADABLE',
      `kafka.tls.${setting}: ${path} cannot be read (${(error as Error).message}); name a PEM file`,
      { cause: error },
    );
  }
}

function saslOf({ sasl }: KafkaConfig): { readonly sasl?: SASLOptions } {
  const { mechanism, username = '', password = '' } = sasl;
  return mechanism === 'none' ? {} : { sasl: { mechanism, username, password } };
}

/** Runs something with an admin connection, which is closed again. */
export async function withAdmin<T>(kafka: Kafka, use: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = kafka.admin({ retry: RETRY });
  try {
    await admin.connect();
    return await use(admin);
  } finally {
    await withDeadline(admin.disconnect(), DISCONNECT_DEADLINE_MS, 'disconnect').catch(() => {});
  }
}
