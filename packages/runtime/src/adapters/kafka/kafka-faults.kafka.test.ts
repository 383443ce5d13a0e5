import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { CuttingProxy } from './testing/cutting-proxy.ts';
import { Collector, envelopeOf, KafkaFixture, until } from './testing/kafka-fixture.ts';
import type { TestBus } from './testing/kafka-fixture.ts';

const fixture = new KafkaFixture();
const proxies: CuttingProxy[] = [];
const rejections: unknown[] = [];
const note = (reason: unknown): void => void rejections.push(reason);
process.on('unhandledRejection', note);

afterEach(() => fixture.end(), 60_000);
afterAll(async () => {
  process.off('unhandledRejection', note);
  await Promise.all(proxies.map((proxy) => proxy.close()));
});

const CHANNELS = 20;

/** Publishes until it is told to stop, every few ms an event of another channel; returns the ids. */
function publishSteadily({ bus }: TestBus): () => readonly string[] {
  const ids: string[] = [];
  const timer = setInterval(() => {
    const id = String(ids.length);
    ids.push(id);
    bus.publish(envelopeOf(id, `channel-${ids.length % CHANNELS}`));
  }, 4);
  return () => {
    clearInterval(timer);
    return ids;
  };
}

/** Numbers that repeat, between 0 and 1, so that a run can be repeated. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** The first of each id comes in the order in which its channel sent them. */
function expectOrderWithinChannels(ids: readonly string[]): void {
  const last = new Map<number, number>();
  for (const id of new Set(ids)) {
    const channel = Number(id) % CHANNELS;
    expect(Number(id)).toBeGreaterThan(last.get(channel) ?? -1);
    last.set(channel, Number(id));
  }
}

describe('events, counted by id', () => {
  test('survive answers that are lost with their connection', async () => {
    const random = createRandom(1);
    let cutProbability = 0;
    const proxy = new CuttingProxy(() => random() < cutProbability);
    proxies.push(proxy);
    const port = await proxy.listen();
    const cluster = await fixture.createCluster({ brokers: 1, advertisedPorts: [port] });
    proxy.forwardTo(cluster.proxiedPort(1));
    const behindProxy = { kafka: { brokers: [`127.0.0.1:${port}`] } };
    const [writer, cutReader, reader] = await Promise.all([
      fixture.createListeningBus(behindProxy),
      fixture.createListeningBus(behindProxy),
      fixture.createListeningBus({ kafka: { brokers: [...cluster.addresses()] } }),
    ]);
    const collectors = [cutReader, reader].map(({ bus }) => new Collector(bus));

    const stop = publishSteadily(writer);
    cutProbability = 0.04;
    await until(() => proxy.cuts >= 60);
    cutProbability = 0;
    const ids = stop();

    await Promise.all(collectors.map((collector) => collector.all(ids)));
    for (const { ids: seen } of collectors) expectOrderWithinChannels(seen);
    expect(await writer.valueOf('millrace_events_unpublished_total')).toBe(0);
    expect(rejections).toEqual([]);
  }, 180_000);

  test('survive each of three brokers, killed in turn', async () => {
    const cluster = await fixture.createCluster({ brokers: 3 });
    const settings = { kafka: { brokers: [...cluster.addresses()] } };
    const [writer, reader] = await Promise.all([
      fixture.createListeningBus(settings),
      fixture.createListeningBus(settings),
    ]);
    const collector = new Collector(reader.bus);
    const stop = publishSteadily(writer);
    for (const id of [1, 2, 3]) {
      await cluster.kill(id);
      const before = await writer.valueOf('millrace_events_published_total');
      // Until every partition has a leader that is alive, and is written to again.
      await until(async () => (await writer.valueOf('millrace_events_published_total')) > before + 2000);
      await cluster.start(id);
    }
    const ids = stop();
    await collector.all(ids);
    expectOrderWithinChannels(collector.ids);
    expect(await writer.valueOf('millrace_events_unpublished_total')).toBe(0);
    expect(rejections).toEqual([]);
  }, 240_000);

  test('wait while Kafka is stopped and are delivered once it is back, to readers that were there before', async () => {
    const cluster = await fixture.createCluster({ brokers: 1 });
    const settings = { kafka: { brokers: [...cluster.addresses()] } };
    const [writer, reader] = await Promise.all([
      fixture.createListeningBus(settings),
      fixture.createListeningBus(settings),
    ]);
    const collector = new Collector(reader.bus);
    await cluster.stop(1);
    const ids = Array.from({ length: 200 }, (_, id) => String(id));
    for (const id of ids) writer.bus.publish(envelopeOf(id, `channel-${Number(id) % CHANNELS}`));
    // Long enough for both to give up their connections.
    await until(
      async () => (await writer.valueOf('millrace_events_failures_total', { role: 'producer' })) > 0,
    );
    await until(
      async () => (await reader.valueOf('millrace_events_failures_total', { role: 'consumer' })) > 0,
    );
    await until(async () => (await reader.valueOf('millrace_events_connected', { role: 'consumer' })) === 0);
    await cluster.start(1);
    await collector.all(ids);
    expectOrderWithinChannels(collector.ids);
    expect(await reader.valueOf('millrace_events_connected', { role: 'consumer' })).toBe(1);
    expect(rejections).toEqual([]);
  }, 120_000);

  test('beyond the bound of the outbox lose the oldest, with a count; a Kafka that is away at the start changes nothing', async () => {
    const cluster = await fixture.createCluster({ brokers: 1 });
    const kafka = { brokers: [...cluster.addresses()] };
    const reader = await fixture.createListeningBus({ kafka });
    const collector = new Collector(reader.bus);
    await cluster.kill(1);
    const { bus, valueOf } = fixture.createBus({ kafka, events: { outboxEvents: 50 } });
    bus.start();
    const ids = Array.from({ length: 120 }, (_, id) => String(id));
    for (const id of ids) bus.publish(envelopeOf(id, `channel-${Number(id) % CHANNELS}`));
    expect(await valueOf('millrace_events_unpublished_total', { reason: 'outbox-full' })).toBe(70);
    expect(await valueOf('millrace_events_outbox_events')).toBe(50);
    await cluster.start(1);
    await collector.all(ids.slice(70));
    expect(collector.ids.toSorted((a, b) => Number(a) - Number(b))).toEqual(ids.slice(70));
    expect(await valueOf('millrace_events_outbox_events')).toBe(0);
    expect(rejections).toEqual([]);
  }, 120_000);
});
