import type { relay, session } from '@millrace/contracts';

/** What a ring holds: an access unit, or the wall clock of the segment that begins with the next one. */
export type RingEntry =
  | { readonly kind: 'fragment'; readonly fragment: relay.Fragment }
  | { readonly kind: 'wall-clock'; readonly wallClock: relay.WallClock };

/** How much a ring keeps. */
export interface RingBounds {
  /** Media time that is kept at least, in seconds, as long as `maxBytes` allows. */
  readonly seconds: number;
  readonly maxBytes: number;
}

/** Where a subscriber begins. */
export interface RingCursor {
  /** Sequence number of the next entry. */
  next: number;
  /** Video in front of this entry cannot be decoded and is left out. */
  readonly firstVideo: number;
}

const MIN_GOPS = 2;
/** A decoder of AAC needs two frames before the first that counts. */
const AUDIO_PREROLL_FRAMES = 2;
/** Trimming moves the array's head; the array is compacted once this many entries are dead. */
const COMPACT_AT = 1024;

/**
 * The recent access units of one period, in the order in which they came.
 *
 * It begins at an IDR and holds at least `seconds` and two GOPs, unless that is more than `maxBytes`. Subscribers read it by a
 * cursor, so a slow one costs nothing; it notices that the ring has passed it.
 */
export class PeriodRing {
  readonly period: session.Period;
  readonly #bounds: RingBounds;
  readonly #videoTrackId: number | undefined;
  readonly #timescales = new Map<number, number>();
  readonly #waiters = new Set<() => void>();
  #entries: (RingEntry | undefined)[] = [];
  /** Index in `#entries` of the oldest entry that is kept. */
  #head = 0;
  /** Sequence number of `#entries[0]`. */
  #base = 0;
  /** Sequence numbers of the random-access points at which the ring may begin. */
  #syncPoints: number[] = [];
  /** The wall clock of the segment in which the ring begins, when its entry is gone. */
  #droppedClock: relay.WallClock | undefined;
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

  append(entry: RingEntry): void {
    const sequence = this.#base + this.#entries.length;
    this.#entries.push(entry);
    if (entry.kind === 'fragment') {
      this.#bytes += entry.fragment.data.length;
      if (this.#isSyncPoint(entry.fragment)) {
        this.#syncPoints.push(sequence);
        this.#trim(entry.fragment);
      } else if (this.#bytes > this.#bounds.maxBytes) this.#trim(entry.fragment);
    }
    this.#wake();
  }

  /** Nothing more will come. */
  end(): void {
    this.#hasEnded = true;
    this.#wake();
  }

  /** Where to begin so that everything from a decode time on (90 kHz ticks) can be decoded; `undefined` when it is gone. */
  seek(fromTicks: number | undefined): RingCursor | undefined {
    const [oldest] = this.#syncPoints;
    if (oldest === undefined) return { next: this.#base + this.#head, firstVideo: this.#base + this.#head };
    const sync =
      fromTicks === undefined
        ? oldest
        : this.#syncPoints.findLast((sequence) => this.#ticksOf(sequence) <= fromTicks);
    if (sync === undefined) {
      // The period's first IDR is the answer to anything before it, as long as it is still there.
      return this.#base === 0 && this.#head === 0 ? { next: 0, firstVideo: oldest } : undefined;
    }
    return { next: this.#withAudioPreroll(sync), firstVideo: sync };
  }

  /** The wall clocks of the segments that began before a cursor. */
  wallClocksBefore(cursor: RingCursor): relay.WallClock[] {
    const clocks: relay.WallClock[] = this.#droppedClock === undefined ? [] : [this.#droppedClock];
    for (let index = this.#head; index < cursor.next - this.#base; index += 1) {
      const entry = this.#entries[index];
      if (entry?.kind === 'wall-clock') clocks.push(entry.wallClock);
    }
    return clocks;
  }

  /** Takes everything that is ready; `undefined` when the ring has passed the cursor. */
  read(cursor: RingCursor): RingEntry[] | undefined {
    const from = cursor.next - this.#base;
    if (from < this.#head) return undefined;
    const ready: RingEntry[] = [];
    for (let index = from; index < this.#entries.length; index += 1) {
      const entry = this.#entries[index];
      if (entry === undefined) continue;
      const isUndecodable =
        entry.kind === 'fragment' &&
        entry.fragment.trackId === this.#videoTrackId &&
        this.#base + index < cursor.firstVideo;
      if (!isUndecodable) ready.push(entry);
    }
    cursor.next = this.#base + this.#entries.length;
    return ready;
  }

  /** Resolves when something was appended, the period ended, or the signal was aborted. */
  wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiters.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiters.add(done);
      signal.addEventListener('abort', done);
      if (signal.aborted) done();
    });
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter();
  }

  #isSyncPoint(fragment: relay.Fragment): boolean {
    const isLeading = this.#videoTrackId === undefined || fragment.trackId === this.#videoTrackId;
    return isLeading && fragment.isRandomAccess;
  }

  /** Gives up old GOPs, whole ones only; `newest` says how far the media has come. */
  #trim(newest: relay.Fragment): void {
    const newestTicks = this.#toTicks(newest);
    for (;;) {
      const second = this.#syncPoints[1];
      if (second === undefined) break;
      const spanAfterSeconds = (newestTicks - this.#ticksOf(second)) / 90_000;
      const isSpare = this.#syncPoints.length > MIN_GOPS + 1 && spanAfterSeconds >= this.#bounds.seconds;
      if (!isSpare && this.#bytes <= this.#bounds.maxBytes) break;
      this.#syncPoints.shift();
      this.#dropBefore(this.#withAudioPreroll(second));
    }
  }

  #dropBefore(sequence: number): void {
    while (this.#base + this.#head < sequence) {
      const entry = this.#entries[this.#head];
      if (entry?.kind === 'fragment') this.#bytes -= entry.fragment.data.length;
      if (entry?.kind === 'wall-clock') this.#droppedClock = entry.wallClock;
      this.#entries[this.#head] = undefined;
      this.#head += 1;
    }
    if (this.#head < COMPACT_AT) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#base += this.#head;
    this.#head = 0;
  }

  /** Steps back over the audio that a decoder needs in front of an IDR. */
  #withAudioPreroll(sync: number): number {
    const syncTicks = this.#ticksOf(sync);
    let first = sync;
    for (let index = sync - 1 - this.#base; index >= this.#head; index -= 1) {
      const entry = this.#entries[index];
      if (entry?.kind !== 'fragment' || entry.fragment.trackId === this.#videoTrackId) continue;
      const frameTicks = (entry.fragment.duration * 90_000) / this.#timescaleOf(entry.fragment);
      if (this.#toTicks(entry.fragment) < syncTicks - (AUDIO_PREROLL_FRAMES + 1) * frameTicks) break;
      first = this.#base + index;
    }
    return first;
  }

  #ticksOf(sequence: number): number {
    const entry = this.#entries[sequence - this.#base];
    return entry?.kind === 'fragment' ? this.#toTicks(entry.fragment) : 0;
  }

  #toTicks(fragment: relay.Fragment): number {
    return (fragment.dts * 90_000) / this.#timescaleOf(fragment);
  }

  #timescaleOf(fragment: relay.Fragment): number {
    return this.#timescales.get(fragment.trackId) ?? 90_000;
  }
}
