import type { session } from '@millrace/contracts';
import { rescale, VIDEO_TIMESCALE } from '@millrace/media';
import type { SegmentStarted, TimelineUnit } from '@millrace/media';
import type { SlabPool } from './slab-pool.ts';
import { UnitStore } from './unit-store.ts';
import type { RingEntry } from './unit-store.ts';
import { Wakeup } from './wakeup.ts';

/** How much a ring keeps. */
export interface RingBounds {
  /** Media time that is kept at least, in seconds, as long as `maxBytes` allows. */
  readonly seconds: number;
  /** Bytes of one session, whatever its bitrate. */
  readonly maxBytes: number;
}

/** Where a subscriber is. */
export interface RingCursor {
  /** Sequence number of the next entry. */
  next: number;
  /** Video in front of this entry cannot be decoded and is left out. */
  readonly firstVideo: number;
}

const MIN_GOPS = 2;
/** A decoder of AAC needs two frames before the first that counts. */
const AUDIO_PREROLL_FRAMES = 2;
/** Every audio frame is a random-access point; one a second is enough to begin at. */
const AUDIO_SYNC_TICKS = VIDEO_TIMESCALE;
/** Wall clocks of segments that began in front of the ring and may still have access units in it. */
const OLD_CLOCKS = 2;

/**
 * The recent access units of one period, in the order in which they came.
 *
 * It begins at an IDR and holds at least `seconds` and two GOPs, unless that is more than `maxBytes`; a GOP that is larger than
 * that on its own is cut, and nobody can begin in it. Subscribers read by a cursor, so a slow one costs nothing; it notices
 * that the ring has passed it.
 */
export class PeriodRing {
  readonly period: session.Period;
  readonly #bounds: RingBounds;
  readonly #videoTrackId: number | undefined;
  readonly #timescales = new Map<number, number>();
  readonly #appended = new Wakeup();
  readonly #store: UnitStore;
  /** Sequence numbers of the random-access points at which the ring may begin. */
  #syncPoints: number[] = [];
  /** Wall clocks whose entries are gone. */
  #oldClocks: SegmentStarted[] = [];
  #newestTicks = 0;
  #hasEnded = false;

  constructor(period: session.Period, bounds: RingBounds, pool: SlabPool) {
    this.period = period;
    this.#bounds = bounds;
    this.#store = new UnitStore(pool);
    for (const track of period.tracks) this.#timescales.set(track.trackId, track.timescale);
    this.#videoTrackId = period.tracks.find((track) => track.width > 0)?.trackId;
  }

  get bytes(): number {
    return this.#store.bytes;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** True once the ring alone reaches as far back as is wanted. */
  get isFull(): boolean {
    const [oldest] = this.#syncPoints;
    return oldest !== undefined && this.#spanSeconds(oldest) >= this.#bounds.seconds;
  }

  append(entry: TimelineUnit | SegmentStarted): void {
    if (entry.type === 'unit') this.#appendUnit(entry);
    else this.#store.appendClock(entry);
    this.#appended.wake();
  }

  /** Nothing more will come. */
  end(): void {
    this.#hasEnded = true;
    this.#appended.wake();
  }

  /** Gives the memory back; readers that are not done find that the ring has passed them. */
  free(): void {
    this.end();
    this.#syncPoints = [];
    this.#store.clear();
  }

  /** Where to begin so that everything from a decode time on (90 kHz ticks) can be decoded; `undefined` when it is gone. */
  seek(fromTicks: number | undefined): RingCursor | undefined {
    const isWhole = this.#store.first === 0;
    const [oldest] = this.#syncPoints;
    if (fromTicks === undefined || oldest === undefined) {
      return isWhole ? { next: 0, firstVideo: oldest ?? 0 } : undefined;
    }
    const sync = this.#syncPoints.findLast((sequence) => this.#ticksAt(sequence) <= fromTicks);
    if (sync !== undefined) return { next: this.#withAudioPreroll(sync), firstVideo: sync };
    // The period's first IDR is the answer to anything before it, as long as it is still there.
    return isWhole ? { next: 0, firstVideo: oldest } : undefined;
  }

  /** The wall clocks of the segments that began before a cursor. */
  wallClocksBefore(cursor: RingCursor): readonly SegmentStarted[] {
    const clocks = [...this.#oldClocks];
    for (let sequence = this.#store.first; sequence < cursor.next; sequence += 1) {
      const clock = this.#store.clockAt(sequence);
      if (clock !== undefined) clocks.push(clock);
    }
    return clocks.slice(-OLD_CLOCKS);
  }

  /**
   * Takes what is ready, at least one entry and about `maxBytes`; `undefined` when the ring has passed the cursor. The data of
   * the entries holds until the ring changes.
   */
  read(cursor: RingCursor, maxBytes: number): readonly RingEntry[] | undefined {
    const store = this.#store;
    if (cursor.next < store.first) return undefined;
    const ready: RingEntry[] = [];
    let sequence = cursor.next;
    for (let bytes = 0; sequence < store.next && bytes < maxBytes; sequence += 1) {
      if (sequence < cursor.firstVideo && store.kindAt(sequence) === 'video') continue;
      const entry = store.entryAt(sequence);
      ready.push(entry);
      if (entry.type === 'unit') bytes += entry.data.length;
    }
    cursor.next = sequence;
    return ready;
  }

  /** Resolves when something was appended, the period ended, or the signal was aborted. */
  wait(signal: AbortSignal): Promise<void> {
    return this.#appended.wait(signal);
  }

  #appendUnit(unit: TimelineUnit): void {
    const sequence = this.#store.next;
    this.#store.appendUnit(unit);
    const isLeading = unit.trackId === this.#videoTrackId || this.#videoTrackId === undefined;
    if (isLeading) this.#newestTicks = this.#ticksAt(sequence);
    const isSyncPoint = isLeading && unit.isRandomAccess && this.#isFarEnough();
    if (isSyncPoint) this.#syncPoints.push(sequence);
    if (isSyncPoint || this.#store.bytes > this.#bounds.maxBytes) this.#trim();
  }

  #isFarEnough(): boolean {
    const last = this.#syncPoints.at(-1);
    if (this.#videoTrackId !== undefined || last === undefined) return true;
    return this.#newestTicks - this.#ticksAt(last) >= AUDIO_SYNC_TICKS;
  }

  /** Gives up old GOPs, whole ones as long as there are two. */
  #trim(): void {
    const { maxBytes, seconds } = this.#bounds;
    for (;;) {
      const second = this.#syncPoints[1];
      if (second === undefined) break;
      const isSpare = this.#syncPoints.length > MIN_GOPS + 1 && this.#spanSeconds(second) >= seconds;
      if (!isSpare && this.#store.bytes <= maxBytes) return;
      this.#syncPoints.shift();
      this.#dropBefore(this.#withAudioPreroll(second));
    }
    while (this.#store.bytes > maxBytes) this.#dropBefore(this.#store.first + 1);
    while ((this.#syncPoints[0] ?? Infinity) < this.#store.first) this.#syncPoints.shift();
  }

  #dropBefore(sequence: number): void {
    while (this.#store.first < sequence) {
      const clock = this.#store.dropFirst();
      if (clock !== undefined) this.#oldClocks = [...this.#oldClocks, clock].slice(-OLD_CLOCKS);
    }
  }

  /** Steps back over the audio that a decoder needs in front of an IDR. */
  #withAudioPreroll(sync: number): number {
    if (this.#timescales.size === 1 && this.#videoTrackId !== undefined) return sync;
    const syncTicks = this.#ticksAt(sync);
    let first = sync;
    for (let sequence = sync - 1; sequence >= this.#store.first; sequence -= 1) {
      if (this.#store.kindAt(sequence) !== 'audio') continue;
      const frameTicks = (this.#store.durationAt(sequence) * VIDEO_TIMESCALE) / this.#timescaleAt(sequence);
      if (this.#ticksAt(sequence) < syncTicks - (AUDIO_PREROLL_FRAMES + 1) * frameTicks) break;
      first = sequence;
    }
    return first;
  }

  #spanSeconds(sequence: number): number {
    return (this.#newestTicks - this.#ticksAt(sequence)) / VIDEO_TIMESCALE;
  }

  /** Exact: a floating-point detour would put an IDR a fraction behind the boundary it stands on. */
  #ticksAt(sequence: number): number {
    const dts = this.#store.dtsAt(sequence);
    const timescale = this.#timescaleAt(sequence);
    return timescale === VIDEO_TIMESCALE ? dts : rescale(dts, timescale, VIDEO_TIMESCALE);
  }

  #timescaleAt(sequence: number): number {
    return this.#timescales.get(this.#store.trackIdAt(sequence)) ?? VIDEO_TIMESCALE;
  }
}
