import { segmentNumber } from '../grid.ts';
import type { TimelineEvent } from '../timeline-event.ts';

/** What must hold for every sequence of events, whatever was sent. */
export class Invariants {
  readonly #lastDts = new Map<number, number>();
  #period: Extract<TimelineEvent, { type: 'period-opened' }> | undefined;
  #lastK = -Infinity;
  /** Segment of the last picture; of the last frame where none came. */
  #endK = -Infinity;
  #hasPicture = false;
  #lastOrdinal = -1;

  /** Takes the next events; throws when one of them breaks a rule. */
  check(events: readonly TimelineEvent[]): void {
    for (const event of events) this.#checkOne(event);
  }

  #checkOne(event: TimelineEvent): void {
    switch (event.type) {
      case 'period-opened':
        if (this.#period !== undefined) throw new Error('a period opened within a period');
        if (event.ordinal !== this.#lastOrdinal + 1) throw new Error('ordinals have a hole');
        if (event.firstK < this.#lastK + 2) throw new Error('a period begins too early');
        this.#lastOrdinal = event.ordinal;
        this.#period = event;
        this.#lastK = event.firstK - 1;
        this.#lastDts.clear();
        this.#endK = this.#lastK;
        this.#hasPicture = false;
        break;
      case 'segment-started':
        if (event.k !== this.#lastK + 1) throw new Error('segments are not in order');
        if (!Number.isSafeInteger(event.utcOffsetUs)) throw new Error('the wall clock is no integer');
        this.#lastK = event.k;
        break;
      case 'unit':
        this.#checkUnit(event);
        break;
      case 'period-ended':
        if (event.ordinal !== this.#lastOrdinal || event.lastK !== this.#endK) throw new Error('wrong end');
        this.#period = undefined;
        break;
      case 'boundary':
      case 'warning':
        break;
    }
  }

  #checkUnit(unit: Extract<TimelineEvent, { type: 'unit' }>): void {
    const track = this.#period?.tracks.find(({ trackId }) => trackId === unit.trackId);
    if (this.#period === undefined || track === undefined) throw new Error('a unit outside of a period');
    const integers = [unit.dts, unit.compositionOffset, unit.duration];
    if (!integers.every((value) => Number.isSafeInteger(value))) throw new Error('ticks are no integers');
    if (unit.duration <= 0) throw new Error('a unit has no duration');
    const last = this.#lastDts.get(unit.trackId);
    if (last !== undefined && unit.dts <= last) throw new Error('decode times do not rise');
    if (last === undefined && unit.kind === 'video' && unit.dts !== this.#period.startTicks) {
      throw new Error('the first picture is not on the grid point');
    }
    this.#lastDts.set(unit.trackId, unit.dts);
    const k = segmentNumber(unit.dts, track.timescale, this.#period.segmentDuration);
    if (k < this.#period.firstK || k > this.#lastK) throw new Error('a unit came before its segment');
    if (unit.kind === 'video' || !this.#hasPicture) this.#endK = k;
    this.#hasPicture ||= unit.kind === 'video';
    if (unit.kind === 'audio' && unit.dts % 1024 !== 0) throw new Error('audio left its grid');
  }
}
