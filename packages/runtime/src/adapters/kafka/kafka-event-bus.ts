import type { Registry } from 'prom-client';
import { MemoryEventBus } from '../memory-event-bus.ts';
import type { Logger } from '../../logger.ts';
import type { EventBus, EventEnvelope, EventHandler } from '../../ports/event-bus.ts';
import { readTls } from './client.ts';
import { marshalCloudEvent } from './cloud-event.ts';
import type { EventsConfig, KafkaConfig } from './config.ts';
import { EventReader } from './event-reader.ts';
import { createKafkaEventMetrics } from './metrics.ts';
import type { KafkaEventMetrics } from './metrics.ts';
import { OutboxPump } from './outbox-pump.ts';
import { openProducerLink } from './producer-link.ts';

/**
 * The event bus on Kafka: CloudEvents on the topic `millrace.events.v1`, keyed by channel, delivered at least once.
 *
 * Kafka may be away at any time, also at the start: events wait in a bounded outbox (`dropOldest`) and handlers get what was
 * written meanwhile once it is back. Subscribers hear what is written after the first contact with Kafka; each has a queue of
 * its own, as in `MemoryEventBus`. An event may come twice, with the same id.
 */
export class KafkaEventBus implements EventBus {
  readonly #kafka: KafkaConfig;
  readonly #subscribers: MemoryEventBus;
  readonly #pump: OutboxPump;
  readonly #reader: EventReader;
  readonly #metrics: KafkaEventMetrics;
  readonly #logger: Logger;
  #isStarted = false;
  #hasSubscriber = false;

  constructor(options: {
    readonly kafka: KafkaConfig;
    readonly events: EventsConfig;
    /** Service and instance: they name the consumer group. */
    readonly service: string;
    readonly instance: string;
    readonly logger: Logger;
    readonly registry: Registry;
  }) {
    const { kafka, events, service, instance, logger } = options;
    this.#kafka = kafka;
    this.#logger = logger;
    this.#metrics = createKafkaEventMetrics(options.registry);
    this.#subscribers = new MemoryEventBus({ logger, registry: options.registry });
    this.#pump = new OutboxPump({
      limits: { maxEvents: events.outboxEvents, maxBytes: events.outboxBytes },
      open: () => openProducerLink({ kafka, events }, logger),
      metrics: this.#metrics,
      logger,
    });
    this.#reader = new EventReader({
      config: kafka,
      group: `millrace-${service}-${instance}`,
      deliver: (envelope) => this.#subscribers.publish(envelope),
      metrics: this.#metrics,
      logger,
    });
  }

  /**
   * Loads the client and begins to connect; called when the service is ready, since neither is needed before.
   *
   * Throws `KAFKA_TLS_FILE_UNREADABLE`; a Kafka that cannot be reached is no error.
   */
  start(): void {
    readTls(this.#kafka);
    this.#isStarted = true;
    this.#pump.start();
    if (this.#hasSubscriber) this.#reader.start();
  }

  publish(envelope: EventEnvelope): void {
    try {
      this.#pump.add(marshalCloudEvent(envelope));
    } catch (error) {
      this.#metrics.unpublished.inc({ reason: 'malformed' });
      this.#logger.error(
        { err: error, type: envelope.event.type },
        'An event cannot be marshalled and is lost',
      );
    }
  }

  subscribe(handler: EventHandler): () => void {
    this.#hasSubscriber = true;
    if (this.#isStarted) this.#reader.start();
    return this.#subscribers.subscribe(handler);
  }

  /**
   * Resolves once everything that is written from now on reaches the subscribers; never while Kafka is away or nobody has
   * subscribed. For those who have to know; nothing has to wait for it.
   */
  get listening(): Promise<void> {
    return this.#reader.joined;
  }

  /** Publishes what waits, until the deadline, and leaves; what is published later is dropped and counted. */
  async stop(deadlineMs: number): Promise<void> {
    await Promise.all([this.#reader.stop(deadlineMs), this.#pump.stop(deadlineMs)]);
  }
}
