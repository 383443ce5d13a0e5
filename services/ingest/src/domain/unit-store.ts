import type { SegmentStarted, TimelineUnit } from '@millrace/media';
import type { SlabPool } from './slab-pool.ts';

/** What a ring holds: an access unit, or the wall clock of the segment that begins with the next one. */
export type RingEntry = StoredUnit | SegmentStarted;

/** An access unit in a ring. `data` is a view that holds until the ring changes: copy it in the same turn. */
export type StoredUnit = Omit<TimelineUnit, 'arrivalMs'>;

interface Slab {
  readonly memory: Buffer;
  used: number;
  /** Sequence number of the newest entry in it. */
  last: number;
}

/** Numbers of an entry; a wall clock has `k` and `utcOffsetUs` in the first two. */
const FIELD = { dts: 0, compositionOffset: 1, duration: 2, flags: 3, slab: 4, offset: 5, length: 6 } as const;
const STRIDE = 7;
const ENTRY_BYTES = STRIDE * 8;
const FLAG = { clock: 1, audio: 2, randomAccess: 4, filler: 8 } as const;
const TRACK_SHIFT = 4;
const FIRST_CAPACITY = 256;

/**
 * A queue of access units and wall clocks, packed: numbers in one array, data in slabs of a pool.
 *
 * Entries have sequence numbers from 0; `first` is the oldest that is kept, `next` the one that comes.
 */
export class UnitStore {
  readonly #pool: SlabPool;
  readonly #slabs: Slab[] = [];
  /** Number of the first of `#slabs`. */
  #firstSlab = 0;
  #numbers = new Float64Array(FIRST_CAPACITY * STRIDE);
  #capacity = FIRST_CAPACITY;
  #first = 0;
  #next = 0;
  #dataBytes = 0;
  /** Ends of slabs that the next access unit was too large for. */
  #wastedBytes = 0;

  constructor(pool: SlabPool) {
    this.#pool = pool;
  }

  get first(): number {
    return this.#first;
  }

  get next(): number {
    return this.#next;
  }

  /** The memory that the entries take, to within two slabs: the oldest may be in part given up, the newest in part empty. */
  get bytes(): number {
    return this.#dataBytes + this.#wastedBytes + (this.#next - this.#first) * ENTRY_BYTES;
  }

  appendClock({ k, utcOffsetUs }: SegmentStarted): void {
    const at = this.#makeRoom();
    this.#numbers[at + FIELD.dts] = k;
    this.#numbers[at + FIELD.compositionOffset] = utcOffsetUs;
    this.#numbers[at + FIELD.flags] = FLAG.clock;
  }

  appendUnit(unit: TimelineUnit): void {
    const { data } = unit;
    const slab = this.#slabFor(data.length);
    const at = this.#makeRoom();
    const numbers = this.#numbers;
    numbers[at + FIELD.dts] = unit.dts;
    numbers[at + FIELD.compositionOffset] = unit.compositionOffset;
    numbers[at + FIELD.duration] = unit.duration;
    numbers[at + FIELD.flags] =
      (unit.kind === 'audio' ? FLAG.audio : 0) |
      (unit.isRandomAccess ? FLAG.randomAccess : 0) |
      (unit.isFiller ? FLAG.filler : 0) |
      (unit.trackId << TRACK_SHIFT);
    numbers[at + FIELD.slab] = this.#firstSlab + this.#slabs.length - 1;
    numbers[at + FIELD.offset] = slab.used;
    numbers[at + FIELD.length] = data.length;
    slab.memory.set(data, slab.used);
    slab.used += data.length;
    slab.last = this.#next - 1;
    this.#dataBytes += data.length;
  }

  /** Gives up the oldest entry; returns it when it is a wall clock. */
  dropFirst(): SegmentStarted | undefined {
    if (this.#first === this.#next) return undefined;
    const clock = this.clockAt(this.#first);
    if (clock === undefined) this.#dataBytes -= this.#number(this.#first, FIELD.length);
    this.#first += 1;
    while (this.#slabs.length > 1 && (this.#slabs[0]?.last ?? Infinity) < this.#first) this.#dropSlab();
    return clock;
  }

  /** Gives everything up. */
  clear(): void {
    this.#first = this.#next;
    this.#dataBytes = 0;
    while (this.#slabs.length > 0) this.#dropSlab();
  }

  /** The wall clock with this number; `undefined` for an access unit. */
  clockAt(sequence: number): SegmentStarted | undefined {
    if ((this.#number(sequence, FIELD.flags) & FLAG.clock) === 0) return undefined;
    const k = this.#number(sequence, FIELD.dts);
    return { type: 'segment-started', k, utcOffsetUs: this.#number(sequence, FIELD.compositionOffset) };
  }

  /** The kind of the access unit with this number; `undefined` for a wall clock. */
  kindAt(sequence: number): 'video' | 'audio' | undefined {
    const flags = this.#number(sequence, FIELD.flags);
    if ((flags & FLAG.clock) !== 0) return undefined;
    return (flags & FLAG.audio) === 0 ? 'video' : 'audio';
  }

  dtsAt(sequence: number): number {
    return this.#number(sequence, FIELD.dts);
  }

  durationAt(sequence: number): number {
    return this.#number(sequence, FIELD.duration);
  }

  trackIdAt(sequence: number): number {
    return this.#number(sequence, FIELD.flags) >> TRACK_SHIFT;
  }

  /** The entry with this number, from `first` up to `next`. */
  entryAt(sequence: number): RingEntry {
    const clock = this.clockAt(sequence);
    if (clock !== undefined) return clock;
    const flags = this.#number(sequence, FIELD.flags);
    const offset = this.#number(sequence, FIELD.offset);
    const slab = this.#slabs[this.#number(sequence, FIELD.slab) - this.#firstSlab];
    if (slab === undefined) throw new RangeError(`entry ${sequence} is not kept`);
    return {
      type: 'unit',
      kind: (flags & FLAG.audio) === 0 ? 'video' : 'audio',
      trackId: flags >> TRACK_SHIFT,
      dts: this.#number(sequence, FIELD.dts),
      compositionOffset: this.#number(sequence, FIELD.compositionOffset),
      duration: this.#number(sequence, FIELD.duration),
      isRandomAccess: (flags & FLAG.randomAccess) !== 0,
      isFiller: (flags & FLAG.filler) !== 0,
      data: slab.memory.subarray(offset, offset + this.#number(sequence, FIELD.length)),
    };
  }

  #number(sequence: number, field: number): number {
    return this.#numbers[(sequence % this.#capacity) * STRIDE + field] ?? 0;
  }

  /** Where the numbers of the next entry go. */
  #makeRoom(): number {
    if (this.#next - this.#first === this.#capacity) this.#grow();
    const at = (this.#next % this.#capacity) * STRIDE;
    this.#next += 1;
    return at;
  }

  #grow(): void {
    const capacity = this.#capacity * 2;
    const numbers = new Float64Array(capacity * STRIDE);
    for (let sequence = this.#first; sequence < this.#next; sequence += 1) {
      const from = (sequence % this.#capacity) * STRIDE;
      numbers.set(this.#numbers.subarray(from, from + STRIDE), (sequence % capacity) * STRIDE);
    }
    this.#numbers = numbers;
    this.#capacity = capacity;
  }

  #slabFor(bytes: number): Slab {
    const last = this.#slabs.at(-1);
    const left = last === undefined ? 0 : last.memory.length - last.used;
    if (last !== undefined && left >= bytes) return last;
    this.#wastedBytes += left;
    const slab = { memory: this.#pool.take(bytes), used: 0, last: this.#next };
    this.#slabs.push(slab);
    return slab;
  }

  #dropSlab(): void {
    const slab = this.#slabs.shift();
    if (slab === undefined) return;
    this.#firstSlab += 1;
    if (this.#slabs.length > 0) this.#wastedBytes -= slab.memory.length - slab.used;
    this.#pool.give(slab.memory);
  }
}
