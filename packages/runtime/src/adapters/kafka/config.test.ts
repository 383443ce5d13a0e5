import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { loadConfig } from '../../config.ts';
import { formatHelp } from '../../config-reference.ts';
import { eventBusConfigSchema as schema } from './config.ts';

function load(env: Record<string, string>, argv: readonly string[] = []) {
  return loadConfig(schema, { service: 'test', argv, env });
}

describe('Kafka settings', () => {
  test('have defaults without a broker', () => {
    const { kafka, events } = load({});
    expect(kafka).toEqual({
      brokers: [],
      clientId: 'millrace',
      tls: { enabled: false },
      sasl: { mechanism: 'none' },
    });
    expect(events).toMatchObject({ manageTopics: true, partitions: 12, outboxEvents: 10_000 });
  });

  test('take KAFKA_BROKERS, which the name of our own overrides', () => {
    expect(load({ KAFKA_BROKERS: 'a:9092, b.example:9093' }).kafka.brokers).toEqual([
      'a:9092',
      'b.example:9093',
    ]);
    const both = { KAFKA_BROKERS: 'a:9092', MILLRACE_KAFKA_BROKERS: '[::1]:9092' };
    expect(load(both).kafka.brokers).toEqual(['[::1]:9092']);
    expect(load(both, ['--kafka.brokers', 'c:1']).kafka.brokers).toEqual(['c:1']);
  });

  test('take the password from a file', () => {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-kafka-config-'));
    try {
      writeFileSync(join(directory, 'password'), 'secret\n');
      const { kafka } = load({
        MILLRACE_KAFKA_SASL_MECHANISM: 'scram-sha-512',
        MILLRACE_KAFKA_SASL_USERNAME: 'millrace',
        MILLRACE_KAFKA_SASL_PASSWORD_FILE: join(directory, 'password'),
      });
      expect(kafka.sasl).toEqual({ mechanism: 'scram-sha-512', username: 'millrace', password: 'secret' });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test.each([
    ['a broker without a port', { KAFKA_BROKERS: 'kafka' }, 'kafka.brokers.0: must be host:port'],
    ['a port that is none', { KAFKA_BROKERS: 'kafka:65536' }, 'kafka.brokers.0: must be host:port'],
    [
      'a mechanism without a user',
      { MILLRACE_KAFKA_SASL_MECHANISM: 'plain' },
      'kafka.sasl.username: is missing',
    ],
    [
      'a mechanism without a password',
      { MILLRACE_KAFKA_SASL_MECHANISM: 'plain' },
      'kafka.sasl.password: is missing',
    ],
    [
      'a certificate without its key',
      { MILLRACE_KAFKA_TLS_ENABLED: 'true', MILLRACE_KAFKA_TLS_CERT_FILE: 'c.pem' },
      'kafka.tls.keyFile: tls.certFile and tls.keyFile are set together',
    ],
    [
      'a CA that would not be used',
      { MILLRACE_KAFKA_TLS_CA_FILE: 'ca.pem' },
      'kafka.tls.enabled: has to be true for the files to be used',
    ],
  ])('refuse %s', (_name, env, problem) => {
    expect(() => load(env)).toThrow(problem);
  });

  test('name every variable in the help', () => {
    const help = formatHelp('test', schema);
    expect(help).toContain('--kafka.brokers  (MILLRACE_KAFKA_BROKERS, KAFKA_BROKERS)');
    expect(help).toContain(
      '--kafka.sasl.password  (MILLRACE_KAFKA_SASL_PASSWORD, MILLRACE_KAFKA_SASL_PASSWORD_FILE)',
    );
  });
});
