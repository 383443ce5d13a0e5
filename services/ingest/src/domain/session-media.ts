import type { session } from '@millrace/contracts';
import type { SegmentStarted, TimelineUnit } from '@millrace/media';
import { PeriodRing } from './period-ring.ts';
import type { RingBounds } from './period-ring.ts';
import type { SlabPool } from './slab-pool.ts';
import { Wakeup } from './wakeup.ts';

/** Ended periods are kept for workers that are still reading them. */
const MAX_RINGS = 4;

/** Why nothing more comes: the session is over, or another ingest has its publication. */
export type MediaEnd = 'session-ended' | 'moved';

/**
 * The recent media of a session: the ring of the open period, and those of ended ones as long as someone may need them.
 *
 * All of them together keep to the bounds of one ring, the oldest period given up first. After `end` what is kept can still be
 * read, until `free`.
 */
export class SessionMedia {
  readonly #bounds: RingBounds;
  readonly #pool: SlabPool;
  readonly #rings: PeriodRing[] = [];
  readonly #changed = new Wakeup();
  #newestOrdinal: number;
  #endedBytes = 0;
  #ended: MediaEnd | undefined;
  #isFreed = false;

  constructor(bounds: RingBounds, pool: SlabPool, newestOrdinal: number) {
    this.#bounds = bounds;
    this.#pool = pool;
    this.#newestOrdinal = newestOrdinal;
  }

  /** Why no period follows any more; `undefined` as long as one may. */
  get ended(): MediaEnd | undefined {
    return this.#ended;
  }

  /** True when nothing is kept any more. */
  get isFreed(): boolean {
    return this.#isFreed;
  }

  get bytes(): number {
    return this.#endedBytes + (this.#open?.bytes ?? 0);
  }

  /** The newest period's ordinal; -1 before the first. */
  get newestOrdinal(): number {
    return this.#newestOrdinal;
  }

  /** The period's media; `undefined` when it has not begun, or is forgotten. */
  ringOf(ordinal: number): PeriodRing | undefined {
    return this.#rings.find(({ period }) => period.ordinal === ordinal);
  }

  /** Begins a period; after `end` nothing begins. */
  openPeriod(period: session.Period): void {
    if (this.#ended !== undefined) return;
    this.endPeriod();
    this.#rings.push(new PeriodRing(period, this.#bounds, this.#pool));
    this.#newestOrdinal = period.ordinal;
    while (this.#rings.length > MAX_RINGS) this.#dropOldest();
    this.#changed.wake();
  }

  /** Appends to the open period. */
  append(entry: TimelineUnit | SegmentStarted): void {
    const open = this.#open;
    if (open === undefined) return;
    open.append(entry);
    if (this.#endedBytes === 0) return;
    while (this.#rings.length > 1 && (open.isFull || this.bytes > this.#bounds.maxBytes)) this.#dropOldest();
  }

  /** Ends the open period, if there is one. */
  endPeriod(): void {
    const open = this.#open;
    if (open === undefined) return;
    open.end();
    this.#endedBytes += open.bytes;
  }

  /** Nothing more comes: the open period ends, and readers are told when they have read what is kept. */
  end(reason: MediaEnd): void {
    if (this.#ended !== 'session-ended') this.#ended = reason;
    this.endPeriod();
    this.#changed.wake();
  }

  /** Gives the memory back; readers that are not done are told why. */
  free(): void {
    this.#isFreed = true;
    for (const ring of this.#rings) ring.free();
    this.#rings.length = 0;
    this.#endedBytes = 0;
  }

  /** Resolves when a period begins, nothing more comes, or the signal is aborted. */
  wait(signal: AbortSignal): Promise<void> {
    return this.#changed.wait(signal);
  }

  get #open(): PeriodRing | undefined {
    const newest = this.#rings.at(-1);
    return newest === undefined || newest.hasEnded ? undefined : newest;
  }

  #dropOldest(): void {
    const oldest = this.#rings.shift();
    if (oldest === undefined) return;
    this.#endedBytes -= oldest.bytes;
    oldest.free();
  }
}
