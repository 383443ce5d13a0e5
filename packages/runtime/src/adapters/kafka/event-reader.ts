import type { Consumer, KafkaMessage } from 'kafkajs';
import { ulid } from 'ulid';
import type { Logger } from '../../logger.ts';
import type { EventEnvelope } from '../../ports/event-bus.ts';
import { createKafkaClient, RETRY, withAdmin } from './client.ts';
import type { KafkaClient } from './client.ts';
import { parseCloudEvent } from './cloud-event.ts';
import type { KafkaConfig } from './config.ts';
import { Backoff, pause, withDeadline } from './deadline.ts';
import type { KafkaEventMetrics } from './metrics.ts';
import { EVENTS_TOPIC, fetchPartitions } from './topics.ts';

const OPEN_DEADLINE_MS = 60_000;
const CLOSE_DEADLINE_MS = 3000;
/** Fetches come back twice a second even when there is nothing; a reader without one for so long is made anew. */
const STALL_MS = 60_000;
/** Where a partition begins that was not there when the reader started: nothing of it was seen. */
const EARLIEST = '-2';

/** Why a reader ended, beside being stopped. */
type Ending = { readonly error: unknown } | 'stopped';

/**
 * Reads every event from the moment it first reached Kafka on, through breakdowns of its consumer and of Kafka.
 *
 * Where it is in each partition it keeps itself, and commits nothing: it is alone in its group, and a group of its own for every
 * consumer spares a new one the wait for the session of the one before. kafkajs ends a consumer for good on some errors and
 * goes on by itself after others; here every end leads to a new consumer, with a count.
 */
export class EventReader {
  readonly #config: KafkaConfig;
  readonly #group: string;
  readonly #deliver: (envelope: EventEnvelope) => void;
  readonly #metrics: KafkaEventMetrics;
  readonly #logger: Logger;
  readonly #stopping = new AbortController();
  readonly #backoff = new Backoff(100, 2000);
  readonly #joined = Promise.withResolvers<void>();
  /** Next offset of each partition; unknown until Kafka was reached once. */
  #positions: Map<number, string> | undefined;
  #lastFetchMs = 0;
  #failingSinceMs: number | undefined;
  #running: Promise<void> | undefined;

  constructor(options: {
    readonly config: KafkaConfig;
    /** Begin of the name of its consumer groups. */
    readonly group: string;
    readonly deliver: (envelope: EventEnvelope) => void;
    readonly metrics: KafkaEventMetrics;
    readonly logger: Logger;
  }) {
    this.#config = options.config;
    this.#group = options.group;
    this.#deliver = options.deliver;
    this.#metrics = options.metrics;
    this.#logger = options.logger;
  }

  /** Resolves once every event that is written from now on will be delivered. */
  get joined(): Promise<void> {
    return this.#joined.promise;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Leaves its group; nothing is delivered after it was called. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping.abort();
    await withDeadline(this.#running ?? Promise.resolve(), deadlineMs, 'stop the consumer').catch(() => {});
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const ending = await this.#read();
      this.#metrics.connected.set({ role: 'consumer' }, 0);
      if (ending === 'stopped') return;
      this.#metrics.failures.inc({ role: 'consumer' });
      if (this.#failingSinceMs === undefined) {
        this.#failingSinceMs = Date.now();
        this.#logger.warn(
          { err: ending.error },
          'Events cannot be read from Kafka; they are read from where it stopped once they can. Check the brokers',
        );
      }
      await pause(this.#backoff.next(), signal);
    }
  }

  /** One consumer, from its making to its end. */
  async #read(): Promise<Ending> {
    const { signal } = this.#stopping;
    let consumer: Consumer | undefined;
    try {
      const client = await createKafkaClient(this.#config, this.#logger);
      const positioning = this.#findPositions(client);
      this.#positions ??= await withDeadline(positioning, OPEN_DEADLINE_MS, 'say where to begin', signal);
      consumer = this.#createConsumer(client);
      const ended = this.#endOf(consumer);
      await withDeadline(this.#join(consumer), OPEN_DEADLINE_MS, 'let the consumer join', signal);
      return await ended;
    } catch (error) {
      return signal.aborted ? 'stopped' : { error };
    } finally {
      if (consumer !== undefined) {
        await withDeadline(consumer.disconnect(), CLOSE_DEADLINE_MS, 'disconnect').catch(() => {});
      }
    }
  }

  /** The end of each partition. */
  async #findPositions({ kafka }: KafkaClient): Promise<Map<number, string>> {
    if (this.#positions !== undefined) return this.#positions;
    return withAdmin(kafka, async (admin) => {
      await fetchPartitions(admin, EVENTS_TOPIC);
      const offsets = await admin.fetchTopicOffsets(EVENTS_TOPIC);
      return new Map(offsets.map(({ partition, high }) => [partition, high]));
    });
  }

  #createConsumer({ kafka }: KafkaClient): Consumer {
    return kafka.consumer({
      groupId: `${this.#group}-${ulid()}`,
      sessionTimeout: 10_000,
      heartbeatInterval: 1000,
      rebalanceTimeout: 15_000,
      maxWaitTimeInMs: 500,
      allowAutoTopicCreation: false,
      metadataMaxAge: 30_000,
      retry: { ...RETRY, restartOnFailure: async () => false },
    });
  }

  async #join(consumer: Consumer): Promise<void> {
    await consumer.connect();
    // Only for partitions that lost the position to their retention: what they still have is delivered.
    await consumer.subscribe({ topics: [EVENTS_TOPIC], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => this.#take(partition, message),
    });
  }

  /** Resolves when the consumer broke down, stalled or is to stop. */
  #endOf(consumer: Consumer): Promise<Ending> {
    const { signal } = this.#stopping;
    const end = Promise.withResolvers<Ending>();
    this.#lastFetchMs = Date.now();
    const watch = setInterval(() => {
      const silentMs = Date.now() - this.#lastFetchMs;
      if (silentMs > STALL_MS) end.resolve({ error: new Error(`no answer to a fetch for ${silentMs} ms`) });
    }, STALL_MS / 10);
    watch.unref();
    const onStop = (): void => end.resolve('stopped');
    signal.addEventListener('abort', onStop);
    if (signal.aborted) onStop();
    consumer.on('consumer.crash', ({ payload }) => end.resolve({ error: payload.error }));
    consumer.on('consumer.fetch', () => (this.#lastFetchMs = Date.now()));
    consumer.on('consumer.group_join', ({ payload }) => {
      for (const partition of payload.memberAssignment[EVENTS_TOPIC] ?? []) {
        consumer.seek({
          topic: EVENTS_TOPIC,
          partition,
          offset: this.#positions?.get(partition) ?? EARLIEST,
        });
      }
      this.#recover();
    });
    return end.promise.finally(() => {
      clearInterval(watch);
      signal.removeEventListener('abort', onStop);
    });
  }

  #recover(): void {
    this.#joined.resolve();
    this.#backoff.reset();
    this.#metrics.connected.set({ role: 'consumer' }, 1);
    if (this.#failingSinceMs !== undefined) {
      this.#logger.info({ outageMs: Date.now() - this.#failingSinceMs }, 'Events are read from Kafka again');
    }
    this.#failingSinceMs = undefined;
  }

  /** Never throws: a record that cannot be read must not stop the ones behind it. */
  #take(partition: number, message: KafkaMessage): void {
    if (this.#stopping.signal.aborted) return;
    try {
      const envelope = parseCloudEvent(message);
      if (envelope === undefined) {
        this.#metrics.unreadable.inc({ reason: 'unknown-type' });
      } else {
        this.#metrics.received.inc();
        this.#deliver(envelope);
      }
    } catch (error) {
      this.#metrics.unreadable.inc({ reason: 'malformed' });
      this.#logger.warn(
        { err: error, partition, offset: message.offset },
        'A record on the events topic is no event of ours and is skipped; find out who writes there',
      );
    }
    this.#positions?.set(partition, String(BigInt(message.offset) + 1n));
  }
}
