import type { session } from '@millrace/contracts';
import type { SegmentStarted, TimelineUnit } from '@millrace/media';
import { PeriodRing } from './period-ring.ts';
import type { RingBounds } from './period-ring.ts';
import type { SlabPool } from './slab-pool.ts';
import { Wakeup } from './wakeup.ts';

/** Ended periods are kept for workers that are still reading them. */
const MAX_RINGS = 4;

/**
 * The recent media of a session: the ring of the open period, and those of ended ones as long as someone may need them.
 *
 * All of them together keep to the bounds of one ring, the oldest period given up first.
 */
export class SessionMedia {
  readonly #bounds: RingBounds;
  readonly #pool: SlabPool;
  readonly #rings: PeriodRing[] = [];
  readonly #changed = new Wakeup();
  #newestOrdinal: number;
  #endedBytes = 0;
  #hasEnded = false;

  constructor(bounds: RingBounds, pool: SlabPool, newestOrdinal: number) {
    this.#bounds = bounds;
    this.#pool = pool;
    this.#newestOrdinal = newestOrdinal;
  }

  /** True when the session is over. */
  get hasEnded(): boolean {
    return this.#hasEnded;
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

  /** Begins a period. */
  openPeriod(period: session.Period): void {
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

  /** The session is over: readers are told, memory is freed. */
  end(): void {
    this.#hasEnded = true;
    this.endPeriod();
    for (const ring of this.#rings) ring.free();
    this.#rings.length = 0;
    this.#endedBytes = 0;
    this.#changed.wake();
  }

  /** Resolves when a period begins, the session ends, or the signal is aborted. */
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
