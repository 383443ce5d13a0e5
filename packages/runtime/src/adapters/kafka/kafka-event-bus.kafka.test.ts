import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { KafkaCluster } from '../../../../../scripts/kafka/kafka-cluster.ts';
import { describeEventBus } from '../../ports/event-bus.contract.ts';
import { Collector, envelopeOf, KafkaFixture } from './testing/kafka-fixture.ts';

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
    const [a, b, c] = await Promise.all([0, 1, 2].map(() => fixture.createListeningBus(settings())));
    const collectors = [a, b, c].map((one) => new Collector(one!.bus));
    const ids = Array.from({ length: 60 }, (_, id) => String(id));
    for (const id of ids) a!.bus.publish(envelopeOf(id, `channel-${Number(id) % 7}`));
    await Promise.all(collectors.map((collector) => collector.all(ids)));
    expect(await a!.valueOf('millrace_events_published_total')).toBe(60);
  });
});
