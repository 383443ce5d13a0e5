import type { EventRecord } from './cloud-event.ts';

interface Waiting {
  /** Age: lower is older. */
  readonly sequence: number;
  readonly record: EventRecord;
}

/** What waits for one partition; the first `underway` of it are being sent. */
interface PartitionQueue {
  waiting: Waiting[];
  underway: number;
}

/** How much one send may carry. */
export interface BatchLimits {
  readonly maxEvents: number;
  readonly maxBytes: number;
}

/** Queue of what cannot be routed yet, because the number of partitions is not known. */
const UNROUTED = -1;

/**
 * Events that are not in the log yet, in order within each partition; bounded in number and bytes, `dropOldest`.
 *
 * What is under way is never dropped: it may be in the log already.
 */
export class Outbox {
  readonly #limits: BatchLimits;
  readonly #queues = new Map<number, PartitionQueue>();
  #partitionOf: (key: string) => number = () => UNROUTED;
  #nextSequence = 0;
  #events = 0;
  #bytes = 0;

  constructor(limits: BatchLimits) {
    this.#limits = limits;
  }

  /** Events waiting or under way. */
  get events(): number {
    return this.#events;
  }

  /** Their size. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Puts an event behind all others; returns how many older ones had to go for it. */
  add(record: EventRecord): number {
    this.#queueOf(this.#partitionOf(record.key)).waiting.push({ sequence: this.#nextSequence, record });
    this.#nextSequence += 1;
    this.#count(record, 1);
    let dropped = 0;
    while (this.#events > this.#limits.maxEvents || this.#bytes > this.#limits.maxBytes) {
      if (!this.#dropOldest()) break;
      dropped += 1;
    }
    return dropped;
  }

  /** Says where keys belong, now that the partitions are known; what waits is routed anew. Nothing may be under way. */
  route(partitionOf: (key: string) => number): void {
    const waiting = [...this.#queues.values()].flatMap((queue) => queue.waiting);
    waiting.sort((a, b) => a.sequence - b.sequence);
    this.#queues.clear();
    this.#partitionOf = partitionOf;
    for (const one of waiting) this.#queueOf(partitionOf(one.record.key)).waiting.push(one);
  }

  /** Partitions that have something waiting and nothing under way. */
  idlePartitions(): readonly number[] {
    const idle: number[] = [];
    for (const [partition, queue] of this.#queues) {
      if (partition !== UNROUTED && queue.underway === 0 && queue.waiting.length > 0) idle.push(partition);
    }
    return idle;
  }

  /** Takes the oldest of a partition: under way until `settle`. At least one, even when it alone is over the limit. */
  takeBatch(partition: number, limits: BatchLimits): readonly EventRecord[] {
    const queue = this.#queueOf(partition);
    const batch: EventRecord[] = [];
    let bytes = 0;
    for (const { record } of queue.waiting) {
      bytes += record.bytes;
      if (batch.length === limits.maxEvents || (batch.length > 0 && bytes > limits.maxBytes)) break;
      batch.push(record);
    }
    queue.underway = batch.length;
    return batch;
  }

  /** Ends what is under way of a partition: it is removed, or kept in front to be sent again. */
  settle(partition: number, outcome: 'removed' | 'kept'): void {
    const queue = this.#queueOf(partition);
    if (outcome === 'removed') {
      for (const { record } of queue.waiting.splice(0, queue.underway)) this.#count(record, -1);
    }
    queue.underway = 0;
  }

  #dropOldest(): boolean {
    let oldest: { readonly queue: PartitionQueue; readonly sequence: number } | undefined;
    for (const queue of this.#queues.values()) {
      const first = queue.waiting[queue.underway];
      if (first !== undefined && (oldest === undefined || first.sequence < oldest.sequence)) {
        oldest = { queue, sequence: first.sequence };
      }
    }
    if (oldest === undefined) return false;
    for (const { record } of oldest.queue.waiting.splice(oldest.queue.underway, 1)) this.#count(record, -1);
    return true;
  }

  #count(record: EventRecord, sign: 1 | -1): void {
    this.#events += sign;
    this.#bytes += sign * record.bytes;
  }

  #queueOf(partition: number): PartitionQueue {
    let queue = this.#queues.get(partition);
    if (queue === undefined) {
      queue = { waiting: [], underway: 0 };
      this.#queues.set(partition, queue);
    }
    return queue;
  }
}
