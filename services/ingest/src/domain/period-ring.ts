import type { session } from '@millrace/contracts';
import { rescale, VIDEO_TIMESCALE } from '@millrace/media';
import type { SegmentStarted, TimelineUnit } from '@millrace/media';
import { Wakeup } from './wakeup.ts';

/** What a ring holds: an access unit, or the wall clock of the segment that begins with the next one. */
export type RingEntry = TimelineUnit | SegmentStarted;

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
/** Trimming moves the array's head; the array is compacted once this many entries are dead. */
const COMPACT_AT = 1024;
/** What an entry costs besides its data; it bounds the number of entries of nothing. */
const ENTRY_BYTES = 256;
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
  #entries: (RingEntry | undefined)[] = [];
  /** Index in `#entries` of the oldest entry that is kept. */
  #head = 0;
  /** Sequence number of `#entries[0]`. */
  #base = 0;
  /** Sequence numbers of the random-access points at which the ring may begin. */
  #syncPoints: number[] = [];
  /** Wall clocks whose entries are gone. */
  #oldClocks: SegmentStarted[] = [];
  #newestTicks = 0;
  #bytes = 0;
  #hasEnded = false;

  constructor(period: session.Period, bounds: RingBounds) {
    this.period = period;
    this.#bounds = bounds;
    for (const track of period.tracks) this.#timescales.set(track.trackId, track.timescale);
    this.#videoTrackId = period.tracks.find((track) => track.width > 0)?.trackId;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** True once the ring alone reaches as far back as is wanted. */
  get isFull(): boolean {
    const [oldest] = this.#syncPoints;
    return oldest !== undefined && this.#spanSeconds(oldest) >= this.#bounds.seconds;
  }

  append(entry: RingEntry): void {
    const sequence = this.#base + this.#entries.length;
    this.#entries.push(entry);
    this.#bytes += bytesOf(entry);
    const isSyncPoint = entry.type === 'unit' && this.#isSyncPoint(entry);
    if (isSyncPoint) this.#syncPoints.push(sequence);
    if (isSyncPoint || this.#bytes > this.#bounds.maxBytes) this.#trim();
    this.#appended.wake();
  }

  /** Nothing more will come. */
  end(): void {
    this.#hasEnded = true;
    this.#appended.wake();
  }

  /** Where to begin so that everything from a decode time on (90 kHz ticks) can be decoded; `undefined` when it is gone. */
  seek(fromTicks: number | undefined): RingCursor | undefined {
    const isWhole = this.#base + this.#head === 0;
    const [oldest] = this.#syncPoints;
    if (fromTicks === undefined || oldest === undefined) {
      return isWhole ? { next: 0, firstVideo: oldest ?? 0 } : undefined;
    }
    const sync = this.#syncPoints.findLast((sequence) => this.#ticksOf(sequence) <= fromTicks);
    if (sync !== undefined) return { next: this.#withAudioPreroll(sync), firstVideo: sync };
    // The period's first IDR is the answer to anything before it, as long as it is still there.
    return isWhole ? { next: 0, firstVideo: oldest } : undefined;
  }

  /** The wall clocks of the segments that began before a cursor. */
  wallClocksBefore(cursor: RingCursor): readonly SegmentStarted[] {
    const clocks = [...this.#oldClocks];
    for (let index = this.#head; index < cursor.next - this.#base; index += 1) {
      const entry = this.#entries[index];
      if (entry?.type === 'segment-started') clocks.push(entry);
    }
    return clocks.slice(-OLD_CLOCKS);
  }

  /** Takes what is ready, at least one entry and about `maxBytes`; `undefined` when the ring has passed the cursor. */
  read(cursor: RingCursor, maxBytes: number): readonly RingEntry[] | undefined {
    let index = cursor.next - this.#base;
    if (index < this.#head) return undefined;
    const ready: RingEntry[] = [];
    for (let bytes = 0; index < this.#entries.length && bytes < maxBytes; index += 1) {
      const entry = this.#entries[index];
      if (entry === undefined) continue;
      const isUndecodable =
        entry.type === 'unit' && entry.kind === 'video' && this.#base + index < cursor.firstVideo;
      if (isUndecodable) continue;
      ready.push(entry);
      bytes += bytesOf(entry);
    }
    cursor.next = this.#base + index;
    return ready;
  }

  /** Resolves when something was appended, the period ended, or the signal was aborted. */
  wait(signal: AbortSignal): Promise<void> {
    return this.#appended.wait(signal);
  }

  #isSyncPoint(unit: TimelineUnit): boolean {
    if (unit.trackId === this.#videoTrackId || this.#videoTrackId === undefined) {
      this.#newestTicks = this.#toTicks(unit);
    } else return false;
    if (this.#videoTrackId !== undefined) return unit.isRandomAccess;
    const last = this.#syncPoints.at(-1);
    return last === undefined || this.#newestTicks - this.#ticksOf(last) >= AUDIO_SYNC_TICKS;
  }

  /** Gives up old GOPs, whole ones as long as there are two. */
  #trim(): void {
    const { maxBytes, seconds } = this.#bounds;
    for (;;) {
      const second = this.#syncPoints[1];
      if (second === undefined) break;
      const isSpare = this.#syncPoints.length > MIN_GOPS + 1 && this.#spanSeconds(second) >= seconds;
      if (!isSpare && this.#bytes <= maxBytes) return;
      this.#syncPoints.shift();
      this.#dropBefore(this.#withAudioPreroll(second));
    }
    while (this.#bytes > maxBytes) this.#dropBefore(this.#base + this.#head + 1);
    while ((this.#syncPoints[0] ?? Infinity) < this.#base + this.#head) this.#syncPoints.shift();
  }

  #dropBefore(sequence: number): void {
    while (this.#base + this.#head < sequence) {
      const entry = this.#entries[this.#head];
      this.#entries[this.#head] = undefined;
      this.#head += 1;
      if (entry === undefined) continue;
      this.#bytes -= bytesOf(entry);
      if (entry.type === 'segment-started') this.#oldClocks = [...this.#oldClocks, entry].slice(-OLD_CLOCKS);
    }
    if (this.#head < COMPACT_AT) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#base += this.#head;
    this.#head = 0;
  }

  /** Steps back over the audio that a decoder needs in front of an IDR. */
  #withAudioPreroll(sync: number): number {
    if (this.#timescales.size === 1 && this.#videoTrackId !== undefined) return sync;
    const syncTicks = this.#ticksOf(sync);
    let first = sync;
    for (let index = sync - 1 - this.#base; index >= this.#head; index -= 1) {
      const entry = this.#entries[index];
      if (entry?.type !== 'unit' || entry.kind === 'video') continue;
      const frameTicks = (entry.duration * VIDEO_TIMESCALE) / this.#timescaleOf(entry);
      if (this.#toTicks(entry) < syncTicks - (AUDIO_PREROLL_FRAMES + 1) * frameTicks) break;
      first = this.#base + index;
    }
    return first;
  }

  #spanSeconds(sequence: number): number {
    return (this.#newestTicks - this.#ticksOf(sequence)) / VIDEO_TIMESCALE;
  }

  #ticksOf(sequence: number): number {
    const entry = this.#entries[sequence - this.#base];
    return entry?.type === 'unit' ? this.#toTicks(entry) : 0;
  }

  /** Exact: a floating-point detour would put an IDR a fraction behind the boundary it stands on. */
  #toTicks(unit: TimelineUnit): number {
    const timescale = this.#timescaleOf(unit);
    return timescale === VIDEO_TIMESCALE ? unit.dts : rescale(unit.dts, timescale, VIDEO_TIMESCALE);
  }

  #timescaleOf(unit: TimelineUnit): number {
    return this.#timescales.get(unit.trackId) ?? VIDEO_TIMESCALE;
  }
}

function bytesOf(entry: RingEntry): number {
  return ENTRY_BYTES + (entry.type === 'unit' ? entry.data.length : 0);
}
