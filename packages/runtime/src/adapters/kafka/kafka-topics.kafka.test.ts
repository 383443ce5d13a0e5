import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import kafkajs from 'kafkajs';
import type { Admin } from 'kafkajs';
import type { KafkaCluster } from '../../../../../scripts/kafka/kafka-cluster.ts';
import { Collector, envelopeOf, KafkaFixture, until } from './testing/kafka-fixture.ts';

const TOPICS = ['millrace.events.v1', 'millrace.telemetry.v1'];

const fixture = new KafkaFixture();
let cluster: KafkaCluster;
let admin: Admin;

beforeAll(async () => {
  cluster = await fixture.createCluster({ brokers: 1 });
  admin = new kafkajs.Kafka({
    brokers: [...cluster.addresses()],
    logLevel: kafkajs.logLevel.NOTHING,
  }).admin();
  await admin.connect();
}, 120_000);
afterEach(() => fixture.stopBuses(), 20_000);
afterAll(async () => {
  await admin.disconnect();
  await fixture.end();
}, 30_000);

const kafka = () => ({ brokers: [...cluster.addresses()] });

async function configOf(topic: string): Promise<Record<string, string>> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }],
  });
  const entries = resources[0]?.configEntries ?? [];
  return Object.fromEntries(entries.map(({ configName, configValue }) => [configName, configValue]));
}

// In this order: the topics are there from the first test on.
describe('topics', () => {
  test('that are missing are waited for with manageTopics off, and created with it', async () => {
    const reader = fixture.createBus({ kafka: kafka(), events: { manageTopics: false } });
    const collector = new Collector(reader.bus);
    reader.bus.publish(envelopeOf('a'));
    reader.bus.start();
    for (const role of ['producer', 'consumer']) {
      await until(async () => (await reader.valueOf('millrace_events_failures_total', { role })) > 0);
    }
    expect(await admin.listTopics()).toEqual([]);

    const retention = { retentionMs: 3_600_000, telemetryRetentionMs: 60_000 };
    const manager = fixture.createBus({ kafka: kafka(), events: { partitions: 5, ...retention } });
    manager.bus.start();
    await reader.bus.listening;
    manager.bus.publish(envelopeOf('b'));
    await collector.all(['b']);
    await until(async () => (await reader.valueOf('millrace_events_published_total')) === 1);

    expect((await admin.listTopics()).filter((topic) => topic.startsWith('millrace')).toSorted()).toEqual(
      TOPICS,
    );
    const { topics } = await admin.fetchTopicMetadata({ topics: TOPICS });
    expect(topics.map(({ partitions }) => partitions.length)).toEqual([5, 5]);
    expect(await configOf('millrace.events.v1')).toMatchObject({
      'retention.ms': '3600000',
      'min.insync.replicas': '1',
      'cleanup.policy': 'delete',
    });
    expect(await configOf('millrace.telemetry.v1')).toMatchObject({ 'retention.ms': '60000' });
  }, 60_000);

  test('that are kept for another time than configured are left as they are, with a warning', async () => {
    const lines: Record<string, unknown>[] = [];
    const events = { retentionMs: 7_200_000, telemetryRetentionMs: 60_000 };
    const { bus, valueOf } = fixture.createBus({ kafka: kafka(), events }, lines);
    bus.start();
    await until(async () => (await valueOf('millrace_events_connected', { role: 'producer' })) === 1);
    expect(lines.filter(({ level }) => level === 40)).toEqual([
      expect.objectContaining({
        topic: 'millrace.events.v1',
        retentionMs: 3_600_000,
        configuredMs: 7_200_000,
      }),
    ]);
    expect(await configOf('millrace.events.v1')).toMatchObject({ 'retention.ms': '3600000' });
  }, 60_000);
});
