import { afterEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import type { EventRecord } from './cloud-event.ts';
import { createKafkaEventMetrics } from './metrics.ts';
import { OutboxPump, RecordsRefusedError } from './outbox-pump.ts';

function record(id: string, bytes = 10): EventRecord {
  return { key: id.slice(0, 1), value: Buffer.alloc(0), headers: { ce_id: id }, bytes };
}

/** A Kafka of two partitions whose answers the test gives. */
class FakeKafka {
  readonly log: string[] = [];
  readonly batches: string[][] = [];
  readonly refused = new Set<string>();
  opened = 0;
  closed = 0;
  isReachable = true;
  /** Sends that fail although everything was written. */
  lostAnswers = 0;
  /** Held by the test: sends wait for it. */
  gate: Promise<void> = Promise.resolve();
  readonly #underway = new Set<number>();
  #waiters: { readonly isMet: () => boolean; readonly resolve: () => void }[] = [];

  readonly open = async () => {
    if (!this.isReachable) throw new Error('nobody there');
    this.opened += 1;
    return {
      partitionOf: (key: string) => key.charCodeAt(0) % 2,
      send: (partition: number, records: readonly EventRecord[]) => this.#send(partition, records),
      close: async () => void (this.closed += 1),
    };
  };

  async #send(partition: number, records: readonly EventRecord[]): Promise<void> {
    if (this.#underway.has(partition)) throw new Error('two sends of a partition under way');
    this.#underway.add(partition);
    try {
      await this.gate;
      const ids = records.map(({ headers }) => headers['ce_id'] ?? '');
      if (ids.some((id) => this.refused.has(id))) throw new RecordsRefusedError('too large');
      this.log.push(...ids);
      this.batches.push(ids);
      if (this.lostAnswers > 0) {
        this.lostAnswers -= 1;
        throw new Error('connection lost');
      }
    } finally {
      this.#underway.delete(partition);
      this.#waiters = this.#waiters.filter(({ isMet, resolve }) => {
        if (isMet()) resolve();
        return !isMet();
      });
    }
  }

  async until(isMet: () => boolean): Promise<void> {
    if (!isMet()) await new Promise<void>((resolve) => this.#waiters.push({ isMet, resolve }));
  }
}

const pumps: OutboxPump[] = [];

function createPump(kafka: FakeKafka, maxEvents = 1000) {
  const registry = new Registry();
  const metrics = createKafkaEventMetrics(registry);
  const pump = new OutboxPump({
    limits: { maxEvents, maxBytes: 10_000_000 },
    open: kafka.open,
    metrics,
    logger: pino({ level: 'silent' }),
  });
  pumps.push(pump);
  const valueOf = async (name: string, labels: Record<string, string> = {}): Promise<number> => {
    const { values = [] } = (await registry.getSingleMetric(name)?.get()) ?? {};
    const found = values.find(({ labels: actual }) =>
      Object.entries(labels).every(([label, value]) =>
        Object.entries(actual).some(([a, b]) => a === label && b === value),
      ),
    );
    return found?.value ?? 0;
  };
  return { pump, valueOf };
}

afterEach(async () => {
  await Promise.all(pumps.splice(0).map((pump) => pump.stop(0)));
});

describe('outbox pump', () => {
  test('sends the events of one turn together, one batch for each partition', async () => {
    const kafka = new FakeKafka();
    const { pump, valueOf } = createPump(kafka);
    pump.start();
    for (const id of ['a1', 'b1', 'a2', 'b2']) pump.add(record(id));
    await kafka.until(() => kafka.log.length === 4);
    expect(kafka.batches).toEqual([
      ['a1', 'a2'],
      ['b1', 'b2'],
    ]);
    await pump.stop(1000);
    expect(await valueOf('millrace_events_published_total')).toBe(4);
    expect(await valueOf('millrace_events_outbox_events')).toBe(0);
    expect(kafka.closed).toBe(1);
  });

  test('keeps what comes while a send is under way for the next', async () => {
    const kafka = new FakeKafka();
    const { pump } = createPump(kafka);
    let release = (): void => {};
    kafka.gate = new Promise((resolve) => (release = resolve));
    pump.start();
    pump.add(record('a1'));
    await new Promise(setImmediate);
    for (const id of ['a2', 'a3']) pump.add(record(id));
    release();
    await kafka.until(() => kafka.log.length === 3);
    expect(kafka.batches).toEqual([['a1'], ['a2', 'a3']]);
  });

  test('uses no producer again after a failed send, and sends again in order what was not acknowledged', async () => {
    const kafka = new FakeKafka();
    kafka.lostAnswers = 1;
    const { pump, valueOf } = createPump(kafka);
    pump.start();
    pump.add(record('a1'));
    await kafka.until(() => kafka.lostAnswers === 0);
    pump.add(record('a2'));
    await kafka.until(() => kafka.log.length === 3);
    expect(kafka.log).toEqual(['a1', 'a1', 'a2']);
    expect([kafka.opened, kafka.closed]).toEqual([2, 1]);
    expect(await valueOf('millrace_events_failures_total', { role: 'producer' })).toBe(1);
  });

  test('keeps events while Kafka is away and delivers them in order; past the bound the oldest go, with a count', async () => {
    const kafka = new FakeKafka();
    kafka.isReachable = false;
    const { pump, valueOf } = createPump(kafka, 3);
    pump.start();
    for (const id of ['a1', 'a2', 'a3', 'a4', 'a5']) pump.add(record(id));
    await new Promise(setImmediate);
    expect(await valueOf('millrace_events_unpublished_total', { reason: 'outbox-full' })).toBe(2);
    expect(await valueOf('millrace_events_connected', { role: 'producer' })).toBe(0);
    kafka.isReachable = true;
    await kafka.until(() => kafka.log.length === 3);
    expect(kafka.log).toEqual(['a3', 'a4', 'a5']);
  });

  test('gives up the one event that Kafka refuses, and no other', async () => {
    const kafka = new FakeKafka();
    kafka.refused.add('a3');
    const { pump, valueOf } = createPump(kafka);
    pump.start();
    for (const id of ['a1', 'a2', 'a3', 'a4', 'a5']) pump.add(record(id));
    await kafka.until(() => kafka.log.length === 4);
    expect(kafka.log).toEqual(['a1', 'a2', 'a4', 'a5']);
    expect(await valueOf('millrace_events_unpublished_total', { reason: 'too-large' })).toBe(1);
  });

  test('does not even try an event that no broker takes', async () => {
    const { pump, valueOf } = createPump(new FakeKafka());
    pump.add(record('a1', 300 * 1024));
    expect(await valueOf('millrace_events_unpublished_total', { reason: 'too-large' })).toBe(1);
  });

  test('stop sends what waits, and drops what comes after it with a count', async () => {
    const kafka = new FakeKafka();
    const { pump, valueOf } = createPump(kafka);
    pump.start();
    pump.add(record('a1'));
    await pump.stop(1000);
    pump.add(record('a2'));
    expect(kafka.log).toEqual(['a1']);
    expect(await valueOf('millrace_events_unpublished_total', { reason: 'stopped' })).toBe(1);
  });

  test('stop ends at its deadline when Kafka is away, and counts what is lost', async () => {
    const kafka = new FakeKafka();
    kafka.isReachable = false;
    const { pump, valueOf } = createPump(kafka);
    pump.start();
    pump.add(record('a1'));
    await pump.stop(30);
    expect(await valueOf('millrace_events_unpublished_total', { reason: 'stopped' })).toBe(1);
  });

  test('stop without anything waiting does not wait for a Kafka that is away', async () => {
    const kafka = new FakeKafka();
    kafka.isReachable = false;
    const { pump } = createPump(kafka);
    pump.start();
    await pump.stop(60_000);
    expect(kafka.opened).toBe(0);
  });
});
