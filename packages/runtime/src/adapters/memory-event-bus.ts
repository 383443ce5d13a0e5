import { Counter } from 'prom-client';
import type { Registry } from 'prom-client';
import type { Logger } from '../logger.ts';
import type { EventBus, EventEnvelope, EventHandler } from '../ports/event-bus.ts';

const DEFAULT_CAPACITY = 10_000;

interface Subscription {
  readonly handler: EventHandler;
  readonly waiting: EventEnvelope[];
  isRunning: boolean;
  isClosed: boolean;
}

/** Defines the metrics of the queues that the subscribers of a process have. */
export function createEventQueueMetrics(registry: Registry) {
  return {
    dropped: new Counter({
      name: 'millrace_events_dropped_total',
      help: 'Events that a subscriber in this process did not get, because it was too slow: the oldest of its full queue.',
      registers: [registry],
    }),
  };
}

/**
 * The event bus of one process: each subscriber has a bounded queue of its own (`dropOldest`) and gets one event at a time.
 *
 * A handler that throws is logged and gets the next event all the same.
 */
export class MemoryEventBus implements EventBus {
  readonly #subscriptions = new Set<Subscription>();
  readonly #logger: Logger;
  readonly #capacity: number;
  readonly #metrics: ReturnType<typeof createEventQueueMetrics>;

  constructor(options: { readonly logger: Logger; readonly registry: Registry; readonly capacity?: number }) {
    this.#logger = options.logger;
    this.#capacity = options.capacity ?? DEFAULT_CAPACITY;
    this.#metrics = createEventQueueMetrics(options.registry);
  }

  publish(envelope: EventEnvelope): void {
    for (const subscription of this.#subscriptions) {
      if (subscription.waiting.length >= this.#capacity) {
        subscription.waiting.shift();
        this.#metrics.dropped.inc();
      }
      subscription.waiting.push(envelope);
      if (!subscription.isRunning) void this.#deliver(subscription);
    }
  }

  subscribe(handler: EventHandler): () => void {
    const subscription: Subscription = { handler, waiting: [], isRunning: false, isClosed: false };
    this.#subscriptions.add(subscription);
    return () => {
      subscription.isClosed = true;
      subscription.waiting.length = 0;
      this.#subscriptions.delete(subscription);
    };
  }

  async #deliver(subscription: Subscription): Promise<void> {
    subscription.isRunning = true;
    // The publisher's turn ends first: a handler never runs inside publish().
    await Promise.resolve();
    for (;;) {
      const envelope = subscription.waiting.shift();
      if (envelope === undefined || subscription.isClosed) break;
      try {
        await subscription.handler(envelope);
      } catch (error) {
        this.#logger.error(
          { err: error, type: envelope.event.type, channel: envelope.channel },
          'An event handler failed; the event is not delivered to it again',
        );
      }
    }
    subscription.isRunning = false;
  }
}
