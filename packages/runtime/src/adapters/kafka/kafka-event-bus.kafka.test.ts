import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import kafkajs from 'kafkajs';
import type { KafkaCluster } from '../../../../../scripts/kafka/kafka-cluster.ts';
import { describeEventBus } from '../../ports/event-bus.contract.ts';
import { Collector, envelopeOf, KafkaFixture, until } from './testing/kafka-fixture.ts';

const fixture = new KafkaFixture();
let cluster: KafkaCluster;

beforeAll(async () => {
  cluster = await fixture.createCluster({ brokers: 1 });
}, 120_000);
afterEach(() => fixture.stopBuses(), 20_000);
afterAll(() => fixture.end(), 30_000);

const settings = () => ({ kafka: { brokers: [...cluster.addresses()] } });

describeEventBus('Kafka', async () => (await fixture.createListeningBus(settings())).bus);

describe('event bus on Kafka', () => {
  test('what one process publishes reaches every other', async () => {
    const [a, b, c] = await Promise.all([
      fixture.createListeningBus(settings()),
      fixture.createListeningBus(settings()),
      fixture.createListeningBus(settings()),
    ]);
    const collectors = [a, b, c].map(({ bus }) => new Collector(bus));
    const ids = Array.from({ length: 60 }, (_, id) => String(id));
    for (const id of ids) a.bus.publish(envelopeOf(id, `channel-${Number(id) % 7}`));
    await Promise.all(collectors.map((collector) => collector.all(ids)));
    // The broker's word may come after the events themselves.
    await until(async () => (await a.valueOf('millrace_events_published_total')) === 60);
    expect(await b.valueOf('millrace_events_received_total')).toBe(60);
  });

  test('what is published before the start is sent after it; stop sends what is left', async () => {
    const reader = await fixture.createListeningBus(settings());
    const collector = new Collector(reader.bus);
    const { bus, valueOf } = fixture.createBus(settings());
    bus.publish(envelopeOf('a'));
    bus.start();
    bus.publish(envelopeOf('b'));
    await bus.stop(10_000);
    expect(await valueOf('millrace_events_published_total')).toBe(2);
    expect(await valueOf('millrace_events_unpublished_total')).toBe(0);
    await collector.all(['a', 'b']);
  });

  test('what was published before a process came is not for it', async () => {
    const [writer, witness] = await Promise.all([
      fixture.createListeningBus(settings()),
      fixture.createListeningBus(settings()),
    ]);
    const seen = new Collector(witness.bus);
    writer.bus.publish(envelopeOf('before'));
    await seen.all(['before']);
    const late = await fixture.createListeningBus(settings());
    const collector = new Collector(late.bus);
    writer.bus.publish(envelopeOf('after'));
    await collector.all(['after']);
    expect(collector.ids).toEqual(['after']);
  });

  test('a handler that fails as programs do does not end the consumer', async () => {
    const { bus, valueOf } = await fixture.createListeningBus(settings());
    bus.subscribe(() => {
      throw new TypeError('handler');
    });
    const collector = new Collector(bus);
    bus.publish(envelopeOf('a'));
    await collector.all(['a']);
    bus.publish(envelopeOf('b'));
    await collector.all(['a', 'b']);
    expect(await valueOf('millrace_events_failures_total')).toBe(0);
  });

  test('records of others, and of other versions, are skipped and counted', async () => {
    const { bus, valueOf } = await fixture.createListeningBus(settings());
    const collector = new Collector(bus);
    const kafka = new kafkajs.Kafka({
      brokers: [...cluster.addresses()],
      logLevel: kafkajs.logLevel.NOTHING,
    });
    const stranger = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
    await stranger.connect();
    const headers = { ce_id: 'x', ce_source: '/x/1', ce_time: '2026-11-23T00:00:00Z' };
    await stranger.send({
      topic: 'millrace.events.v1',
      messages: [
        { key: 'news', value: 'hello' },
        { key: 'news', value: null },
        { key: 'news', value: '', headers: { ...headers, ce_type: 'millrace.events.v1.FromTheFuture' } },
        {
          key: 'news',
          value: 'no protobuf',
          headers: { ...headers, ce_type: 'millrace.events.v1.SessionOpened' },
        },
      ],
    });
    await stranger.disconnect();
    bus.publish(envelopeOf('a'));
    await collector.all(['a']);
    expect(collector.ids).toEqual(['a']);
    expect(await valueOf('millrace_events_unreadable_total', { reason: 'malformed' })).toBe(3);
    expect(await valueOf('millrace_events_unreadable_total', { reason: 'unknown-type' })).toBe(1);
  });
});
