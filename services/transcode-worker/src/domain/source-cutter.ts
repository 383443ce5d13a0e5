import type { sink } from '@millrace/contracts';
import type { GapCause } from './lane-output.ts';
import type { MediaSample } from './media-sample.ts';
import type { PartGrid } from './part-grid.ts';

/** What becomes of an access unit. */
export type SourceCut =
  /** It is part of its segment. */
  | { readonly kind: 'keep' }
  /** Its segment is a gap; `cause` on the first one of that segment. */
  | { readonly kind: 'gap'; readonly position: sink.Position; readonly cause?: GapCause }
  /** It lies before the resume point. */
  | { readonly kind: 'past' };

/**
 * Cuts media as they come: a segment begins only with a random access point, and after a hole only at its start, so a segment
 * without one is a gap, and so is the rest of a segment that a hole interrupts.
 */
export class SourceCutter {
  readonly #grid: PartGrid;
  readonly #timescale: number;
  readonly #lateTicks: number;
  readonly #firstTick: number;
  #endTick: number;
  #isGap: boolean;
  #isAfterHole = false;

  /**
   * `isGapSegment`: the segment of `first` began as a gap, so that its remaining parts are gaps too; `lateTicks`: a segment
   * that begins later than this after a hole lacks its beginning.
   */
  constructor(options: {
    readonly grid: PartGrid;
    readonly timescale: number;
    readonly first: sink.Position;
    readonly lateTicks: number;
    readonly isGapSegment: boolean;
  }) {
    const { grid, timescale, first } = options;
    this.#grid = grid;
    this.#timescale = timescale;
    this.#lateTicks = options.lateTicks;
    this.#firstTick = grid.firstTickOf(first, timescale);
    this.#isGap = first.part > 0 && options.isGapSegment;
    this.#endTick =
      first.part > 0 ? grid.firstTickOf({ k: first.k + 1, part: 0 }, timescale) : this.#firstTick;
  }

  /** Judges the next access unit in decode order, whose duration reaches to the one after it. */
  cut(sample: MediaSample): SourceCut {
    if (sample.dts < this.#firstTick) {
      // Whoever made what lies before the resume point saw the same hole, and ended there.
      if (sample.dts + sample.duration > this.#firstTick + this.#lateTicks) this.interrupt();
      return { kind: 'past' };
    }
    let cause: GapCause | undefined;
    if (sample.dts >= this.#endTick) {
      const { k } = this.#grid.positionOf(sample.dts, this.#timescale);
      const startTick = this.#grid.firstTickOf({ k, part: 0 }, this.#timescale);
      const isLate = this.#isAfterHole && sample.dts > startTick + this.#lateTicks;
      if (isLate || !sample.isSync) cause = this.#isAfterHole ? 'hole' : 'no-idr';
      this.#endTick = this.#grid.firstTickOf({ k: k + 1, part: 0 }, this.#timescale);
      this.#isGap = cause !== undefined;
      this.#isAfterHole = false;
    }
    if (!this.#isGap) return { kind: 'keep' };
    if (sample.dts + sample.duration > this.#endTick + this.#lateTicks) this.#isAfterHole = true;
    const position = this.#grid.positionOf(sample.dts, this.#timescale);
    return { kind: 'gap', position, ...(cause === undefined ? {} : { cause }) };
  }

  /** A hole follows: what comes after it in the same segment is of no use. */
  interrupt(): void {
    this.#isGap = true;
    this.#isAfterHole = true;
  }
}
