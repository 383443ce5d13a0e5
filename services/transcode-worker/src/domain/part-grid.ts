import type { session, sink } from '@millrace/contracts';
import { partFirstTick, partPosition, partsPerSegment, partStartTicks } from '@millrace/media';

/** The segments and parts of a session: the rules of the timeline with the session's durations filled in. */
export class PartGrid {
  readonly partsPerSegment: number;
  readonly #segment: session.Rational;
  readonly #part: session.Rational;

  constructor(segment: session.Rational, part: session.Rational) {
    this.#segment = segment;
    this.#part = part;
    this.partsPerSegment = partsPerSegment(segment, part);
  }

  /** Where a sample belongs. */
  positionOf(ticks: number, timescale: number): sink.Position {
    return partPosition(ticks, timescale, this.#segment, this.#part);
  }

  /** First tick that belongs to a part. */
  firstTickOf(position: sink.Position, timescale: number): number {
    return partFirstTick(position, timescale, this.#segment, this.#part);
  }

  /** Nominal time of a part's start, rounded to the nearest tick. */
  startTicksOf(position: sink.Position, timescale: number): number {
    return partStartTicks(position, timescale, this.#segment, this.#part);
  }

  /** The part after a part. */
  after(position: sink.Position): sink.Position {
    return position.part + 1 < this.partsPerSegment
      ? { k: position.k, part: position.part + 1 }
      : { k: position.k + 1, part: 0 };
  }
}

/** Negative when `a` comes before `b`, 0 when they are the same, positive when it comes after. */
export function comparePositions(a: sink.Position, b: sink.Position): number {
  return a.k === b.k ? a.part - b.part : a.k - b.k;
}
