import type { Logger } from '../../logger.ts';
import { Backoff, pause, withDeadline } from './deadline.ts';
import type { EventRecord } from './cloud-event.ts';
import type { KafkaEventMetrics } from './metrics.ts';
import { Outbox } from './outbox.ts';

/** What one connection of the producer can do. */
export interface ProducerLink {
  /** The partition that a key belongs to. */
  partitionOf(key: string): number;
  /** Resolves when the records are in the log, in order; never called for a partition that has a call under way. */
  send(partition: number, records: readonly EventRecord[]): Promise<void>;
  close(): Promise<void>;
}

/** The broker refuses these records whatever the connection: sending them again is no use. */
export class RecordsRefusedError extends Error {
  override readonly name = 'RecordsRefusedError';
}

const BATCH_LIMITS = { maxEvents: 500, maxBytes: 512 * 1024 };
/** Larger events are refused at once: with their batch they would not fit into a broker's default `message.max.bytes`. */
const MAX_EVENT_BYTES = 256 * 1024;
/** A send ends by its own retries long before; this is for one that does not. */
const SEND_DEADLINE_MS = 120_000;
const OPEN_DEADLINE_MS = 60_000;
const CLOSE_DEADLINE_MS = 2000;

/**
 * Empties the outbox into Kafka: one send under way for each partition, with all that waits for it.
 *
 * One at a time, because kafkajs otherwise acknowledges what it never wrote: an idempotent producer hands the sequence numbers
 * of a send that failed to the next one that waits, which the broker then takes for a duplicate (kafkajs #1005). And never
 * over several partitions, because a retried send believes that a broker which has answered for one of them need not be asked
 * again for another that moved there (kafkajs #1798). For the first reason a producer is not used again after a failure.
 */
export class OutboxPump {
  readonly #outbox: Outbox;
  readonly #open: () => Promise<ProducerLink>;
  readonly #metrics: KafkaEventMetrics;
  readonly #logger: Logger;
  /** Aborted when nothing new is taken: what waits is still sent. */
  readonly #draining = new AbortController();
  /** Aborted when even that is given up. */
  readonly #ended = new AbortController();
  readonly #backoff = new Backoff(100, 2000);
  /** Partitions whose last batch was refused, and how many events to try next. */
  readonly #batchEvents = new Map<number, number>();
  #changed = Promise.withResolvers<void>();
  #running: Promise<void> | undefined;
  #failingSinceMs: number | undefined;

  constructor(options: {
    readonly limits: { readonly maxEvents: number; readonly maxBytes: number };
    readonly open: () => Promise<ProducerLink>;
    readonly metrics: KafkaEventMetrics;
    readonly logger: Logger;
  }) {
    this.#outbox = new Outbox(options.limits);
    this.#open = options.open;
    this.#metrics = options.metrics;
    this.#logger = options.logger;
  }

  /** Puts an event into the outbox; it is sent after this turn of the event loop, together with the others of the turn. */
  add(record: EventRecord): void {
    if (this.#draining.signal.aborted) {
      this.#metrics.unpublished.inc({ reason: 'stopped' });
      return;
    }
    if (record.bytes > MAX_EVENT_BYTES) {
      this.#metrics.unpublished.inc({ reason: 'too-large' });
      this.#logger.error(
        { type: record.headers['ce_type'], bytes: record.bytes, limit: MAX_EVENT_BYTES },
        'An event is too large and is not published',
      );
      return;
    }
    const dropped = this.#outbox.add(record);
    if (dropped > 0) this.#metrics.unpublished.inc({ reason: 'outbox-full' }, dropped);
    this.#measure();
    this.#notify();
  }

  /** Begins to connect. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Sends what waits until the deadline; the rest is dropped and counted. */
  async stop(deadlineMs: number): Promise<void> {
    this.#draining.abort();
    if (this.#outbox.events === 0) this.#ended.abort();
    this.#notify();
    const finished = new AbortController();
    const running = (this.#running ?? Promise.resolve()).then(() => finished.abort());
    await Promise.race([running, pause(deadlineMs, finished.signal)]);
    this.#ended.abort();
    this.#notify();
    const rest = this.#outbox.events;
    if (rest === 0) return;
    this.#metrics.unpublished.inc({ reason: 'stopped' }, rest);
    this.#logger.warn({ events: rest }, 'Events were not published before the end, and are lost');
  }

  async #run(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      const link = await this.#connect();
      if (link !== undefined) {
        await this.#pump(link);
        this.#metrics.connected.set({ role: 'producer' }, 0);
        await withDeadline(link.close(), CLOSE_DEADLINE_MS, 'disconnect').catch(() => {});
      }
      await pause(this.#backoff.next(), this.#ended.signal);
    }
  }

  async #connect(): Promise<ProducerLink | undefined> {
    const opening = this.#open();
    try {
      const link = await withDeadline(opening, OPEN_DEADLINE_MS, 'connect the producer', this.#ended.signal);
      this.#outbox.route((key) => link.partitionOf(key));
      this.#metrics.connected.set({ role: 'producer' }, 1);
      if (this.#failingSinceMs !== undefined) {
        const outageMs = Date.now() - this.#failingSinceMs;
        this.#logger.info({ outageMs, waiting: this.#outbox.events }, 'Events are published to Kafka again');
      }
      this.#failingSinceMs = undefined;
      return link;
    } catch (error) {
      // Nobody waits for it any more, but whatever comes of it still has to be closed.
      opening.then((late) => late.close()).catch(() => {});
      if (!this.#ended.signal.aborted) this.#fail(error);
      return undefined;
    }
  }

  /** Sends until something fails or everything is done; then nothing is under way, unless the end came first. */
  async #pump(link: ProducerLink): Promise<void> {
    let underway = 0;
    let hasFailed = false;
    const sendFrom = async (partition: number): Promise<void> => {
      underway += 1;
      const isSent = await this.#send(link, partition);
      underway -= 1;
      hasFailed ||= !isSent;
      if (this.#draining.signal.aborted && this.#outbox.events === 0) this.#ended.abort();
      this.#notify();
    };
    for (;;) {
      if (this.#ended.signal.aborted) return;
      for (const partition of hasFailed ? [] : this.#outbox.idlePartitions()) void sendFrom(partition);
      if (hasFailed && underway === 0) return;
      await this.#changed.promise;
    }
  }

  /** Sends one batch of a partition; false when the producer must not be used any more. */
  async #send(link: ProducerLink, partition: number): Promise<boolean> {
    const maxEvents = this.#batchEvents.get(partition) ?? BATCH_LIMITS.maxEvents;
    const batch = this.#outbox.takeBatch(partition, { ...BATCH_LIMITS, maxEvents });
    try {
      await withDeadline(link.send(partition, batch), SEND_DEADLINE_MS, 'take events');
      this.#outbox.settle(partition, 'removed');
      this.#metrics.published.inc(batch.length);
      this.#backoff.reset();
      this.#batchEvents.delete(partition);
      return true;
    } catch (error) {
      this.#fail(error);
      this.#outbox.settle(partition, this.#isHopeless(error, partition, batch) ? 'removed' : 'kept');
      return false;
    } finally {
      this.#measure();
    }
  }

  /** A batch that is refused is sent again in smaller ones, until the event that cannot be written is alone: it has to go. */
  #isHopeless(error: unknown, partition: number, batch: readonly EventRecord[]): boolean {
    if (!(error instanceof RecordsRefusedError)) return false;
    this.#batchEvents.set(partition, Math.max(1, Math.floor(batch.length / 2)));
    if (batch.length > 1) return false;
    this.#metrics.unpublished.inc({ reason: 'too-large' });
    this.#logger.error({ err: error, bytes: batch[0]?.bytes }, 'Kafka refused an event: it is not published');
    return true;
  }

  #fail(error: unknown): void {
    this.#metrics.failures.inc({ role: 'producer' });
    this.#metrics.connected.set({ role: 'producer' }, 0);
    if (this.#failingSinceMs !== undefined) return;
    this.#failingSinceMs = Date.now();
    this.#logger.warn(
      { err: error, waiting: this.#outbox.events },
      'Events cannot be published to Kafka; they wait, the oldest are dropped when there are too many. Check the brokers',
    );
  }

  #measure(): void {
    this.#metrics.outboxEvents.set(this.#outbox.events);
    this.#metrics.outboxBytes.set(this.#outbox.bytes);
  }

  /** Lets everybody look again. */
  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}
