import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import type { z } from 'zod';
import { KafkaCluster } from '../../../../../../scripts/kafka/kafka-cluster.ts';
import type { EventEnvelope } from '../../../ports/event-bus.ts';
import { eventBusConfigSchema } from '../config.ts';
import { KafkaEventBus } from '../kafka-event-bus.ts';

const STOP_DEADLINE_MS = 5000;

/** What a test says of its buses. */
export type BusSettings = z.input<typeof eventBusConfigSchema>;

/** A bus and what it counts. */
export interface TestBus {
  readonly bus: KafkaEventBus;
  readonly registry: Registry;
  /** The value of a metric; the sum over all labels that are not given. */
  readonly valueOf: (name: string, labels?: Readonly<Record<string, string>>) => Promise<number>;
}

/** Makes clusters and buses, and clears them away. */
export class KafkaFixture {
  readonly #directories: string[] = [];
  readonly #clusters: KafkaCluster[] = [];
  readonly #buses: KafkaEventBus[] = [];

  /** A folder for this fixture's files. */
  directory(): string {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-kafka-'));
    this.#directories.push(directory);
    return directory;
  }

  async createCluster(
    options: Omit<Parameters<typeof KafkaCluster.create>[0], 'directory'>,
  ): Promise<KafkaCluster> {
    const cluster = await KafkaCluster.create({ ...options, directory: join(this.directory(), 'cluster') });
    this.#clusters.push(cluster);
    return cluster;
  }

  /** A bus that has not been started; its log lines are silent unless they are collected. */
  createBus(settings: BusSettings, lines?: Record<string, unknown>[]): TestBus {
    const registry = new Registry();
    const bus = new KafkaEventBus({
      ...eventBusConfigSchema.parse({ ...settings, events: { partitions: 3, ...settings.events } }),
      service: 'test',
      instance: 'test-1',
      logger:
        lines === undefined
          ? pino({ level: 'silent' })
          : pino(
              { level: 'info' },
              { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
            ),
      registry,
    });
    this.#buses.push(bus);
    return {
      bus,
      registry,
      async valueOf(name, labels = {}) {
        const { values = [] } = (await registry.getSingleMetric(name)?.get()) ?? {};
        const wanted = values.filter((value) =>
          Object.entries(labels).every(
            ([label, text]) => (value.labels as Record<string, string>)[label] === text,
          ),
        );
        return wanted.reduce((sum, { value }) => sum + value, 0);
      },
    };
  }

  /** A bus that hears everything from now on. */
  async createListeningBus(settings: BusSettings): Promise<TestBus> {
    const created = this.createBus(settings);
    created.bus.subscribe(() => {});
    created.bus.start();
    await created.bus.listening;
    return created;
  }

  async stopBuses(): Promise<void> {
    await Promise.all(this.#buses.splice(0).map((bus) => bus.stop(STOP_DEADLINE_MS)));
  }

  async end(): Promise<void> {
    await this.stopBuses();
    await Promise.all(this.#clusters.splice(0).map((cluster) => cluster.down()));
    for (const directory of this.#directories.splice(0)) rmSync(directory, { recursive: true, force: true });
  }
}

/** An event whose id and channel matter. */
export function envelopeOf(id: string, channel = 'news'): EventEnvelope {
  return {
    id,
    source: '/test/1',
    timeMs: 1,
    subject: 's1',
    channel,
    event: { type: 'SessionOpened', data: { channel, sessionId: 's1' } },
  };
}

/** Collects the ids that a bus delivers. */
export class Collector {
  readonly ids: string[] = [];
  readonly #waiters = new Set<() => void>();

  constructor(bus: KafkaEventBus) {
    bus.subscribe(({ id }) => {
      this.ids.push(id);
      for (const check of this.#waiters) check();
    });
  }

  /** Resolves when all of them have come at least once; fails with what is missing after the deadline. */
  async all(wanted: readonly string[], deadlineMs = 60_000): Promise<void> {
    const seen = new Set(this.ids);
    let checked = this.ids.length;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const missing = (): readonly string[] => wanted.filter((id) => !seen.has(id));
    const check = (): void => {
      for (const id of this.ids.slice(checked)) seen.add(id);
      checked = this.ids.length;
      if (seen.size >= wanted.length && missing().length === 0) resolve();
    };
    const timer = setTimeout(() => {
      const lost = missing();
      reject(
        new Error(`${lost.length} of ${wanted.length} events did not come: ${lost.slice(0, 20).join(' ')}`),
      );
    }, deadlineMs);
    this.#waiters.add(check);
    check();
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#waiters.delete(check);
    }
  }
}

/** Waits for what does not say when it changes: metrics, counts; the test's own deadline ends it. */
export async function until(isMet: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isMet())) await sleep(50);
}
