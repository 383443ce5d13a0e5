import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { KafkaCluster, ListenerName } from '../../../../../scripts/kafka/kafka-cluster.ts';
import { describeEventBus } from '../../ports/event-bus.contract.ts';
import { createCertificates } from './testing/certificates.ts';
import type { Certificates } from './testing/certificates.ts';
import { envelopeOf, KafkaFixture, until } from './testing/kafka-fixture.ts';
import type { BusSettings } from './testing/kafka-fixture.ts';

const LOGIN = { username: 'millrace', password: 'not a good password' };

const fixture = new KafkaFixture();
let cluster: KafkaCluster;
let certificates: Certificates;

beforeAll(async () => {
  certificates = createCertificates(fixture.directory());
  cluster = await fixture.createCluster({
    brokers: 1,
    security: { keyStoreFile: certificates.brokerFile, trustStoreFile: certificates.caFile, ...LOGIN },
  });
}, 120_000);
afterEach(() => fixture.stopBuses(), 20_000);
afterAll(() => fixture.end(), 30_000);

type KafkaSettings = NonNullable<BusSettings['kafka']>;

function settings(listener: ListenerName, kafka: KafkaSettings): BusSettings {
  return { kafka: { brokers: [...cluster.addresses(listener)], ...kafka } };
}

function withLogin(
  mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512',
  password = LOGIN.password,
): BusSettings {
  const tls = { enabled: true, caFile: certificates.caFile };
  return settings('sasl', { tls, sasl: { mechanism, username: LOGIN.username, password } });
}

function withCertificate(): BusSettings {
  const { caFile, clientCertFile: certFile, clientKeyFile: keyFile } = certificates;
  return settings('mutual', { tls: { enabled: true, caFile, certFile, keyFile } });
}

for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512'] as const) {
  describeEventBus(
    `Kafka over TLS with ${mechanism}`,
    async () => (await fixture.createListeningBus(withLogin(mechanism))).bus,
  );
}

describeEventBus(
  'Kafka over mutual TLS',
  async () => (await fixture.createListeningBus(withCertificate())).bus,
);

describe('a Kafka that does not let us in', () => {
  test.each<[string, () => BusSettings]>([
    ['a wrong password', () => withLogin('scram-sha-512', 'guessed')],
    ['no certificate', () => settings('mutual', { tls: { enabled: true, caFile: certificates.caFile } })],
    ['an authority that is not trusted', () => settings('mutual', { tls: { enabled: true } })],
    ['no TLS at all', () => settings('sasl', {})],
  ])(
    'because of %s is a failure that shows, and the event waits',
    async (_name, make) => {
      const { bus, valueOf } = fixture.createBus(make());
      bus.publish(envelopeOf('a'));
      bus.start();
      await until(async () => (await valueOf('millrace_events_failures_total', { role: 'producer' })) > 0);
      expect(await valueOf('millrace_events_connected', { role: 'producer' })).toBe(0);
      expect(await valueOf('millrace_events_outbox_events')).toBe(1);
      await bus.stop(0);
    },
    60_000,
  );

  test('because a file is not there stops the start with a sentence', () => {
    const { bus } = fixture.createBus(
      settings('sasl', { tls: { enabled: true, caFile: '/nowhere/ca.pem' } }),
    );
    expect(() => bus.start()).toThrow('kafka.tls.caFile: /nowhere/ca.pem cannot be read');
  });
});
