import type { sink } from '@millrace/contracts';
import type { MediaSample } from './media-sample.ts';
import type { PartGrid } from './part-grid.ts';

/** What becomes of an access unit of the `source` rung. */
export type SourceCut =
  /** It is part of its segment. */
  | { readonly kind: 'keep' }
  /** Its segment is a gap; `isFirst` on the first one of that segment. */
  | { readonly kind: 'gap'; readonly position: sink.Position; readonly isFirst: boolean }
  /** It lies before the resume point. */
  | { readonly kind: 'past' };

/**
 * Cuts the encoder's own video: a segment begins only at one of its IDRs, so a segment whose first frame is none is a gap.
 */
export class SourceCutter {
  readonly #grid: PartGrid;
  readonly #timescale: number;
  readonly #firstTick: number;
  #endTick: number;
  #isGap: boolean;

  /** `isGapSegment`: the segment of `first` began as a gap, so that its remaining parts are gaps too. */
  constructor(grid: PartGrid, timescale: number, first: sink.Position, isGapSegment: boolean) {
    this.#grid = grid;
    this.#timescale = timescale;
    this.#firstTick = grid.firstTickOf(first, timescale);
    this.#isGap = first.part > 0 && isGapSegment;
    this.#endTick =
      first.part > 0 ? grid.firstTickOf({ k: first.k + 1, part: 0 }, timescale) : this.#firstTick;
  }

  /** Judges the next access unit in decode order. */
  cut(sample: MediaSample): SourceCut {
    if (sample.dts < this.#firstTick) return { kind: 'past' };
    let isFirst = false;
    if (sample.dts >= this.#endTick) {
      const { k } = this.#grid.positionOf(sample.dts, this.#timescale);
      this.#endTick = this.#grid.firstTickOf({ k: k + 1, part: 0 }, this.#timescale);
      this.#isGap = !sample.isSync;
      isFirst = this.#isGap;
    }
    if (!this.#isGap) return { kind: 'keep' };
    return { kind: 'gap', position: this.#grid.positionOf(sample.dts, this.#timescale), isFirst };
  }
}
