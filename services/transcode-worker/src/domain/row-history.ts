import type { sink } from '@millrace/contracts';
import { comparePositions } from './part-grid.ts';
import type { PartGrid } from './part-grid.ts';

/** How segment numbers of one period map to the numbers of HLS. */
export interface PeriodNumbers {
  readonly period: number;
  readonly firstK: number;
  /** Media sequence number of `firstK`. */
  readonly firstMsn: number;
  readonly discontinuitySequence: number;
  /** The segment in front of which the discontinuity stands; absent when no row is known before the period. */
  readonly discontinuityK?: number;
}

/** Rows of one period, one after the other, that are all gaps or all not. */
export interface RowRun {
  readonly isGap: boolean;
  readonly firstK: number;
}

/** What a rendition has of one period already. */
interface RenditionProgress {
  /** First part that is missing. */
  readonly next: sink.Position;
  /** True when the segment of `next` began as a gap. */
  readonly isGapSegment: boolean;
  /** True when the segment of `next` lacks media. */
  readonly hasHole: boolean;
  /** Where the segment of `next` ends so far, gaps included; `undefined` when it has not begun. */
  readonly endTicks: number | undefined;
  /** The run of the last complete row. */
  readonly run: RowRun | undefined;
}

/** The rows that came back at hello: what the author continues from. */
export class RowHistory {
  readonly #numbers = new Map<number, PeriodNumbers>();
  readonly #progress = new Map<string, RenditionProgress>();
  readonly #lastPeriod = new Map<string, number>();

  constructor(reply: sink.HelloReply, grid: PartGrid) {
    for (const rendition of reply.renditions) {
      for (const row of rendition.rows) {
        const known = this.#numbers.get(row.period);
        if (known === undefined || row.k < known.firstK) {
          this.#numbers.set(row.period, {
            period: row.period,
            firstK: row.k,
            firstMsn: row.msn,
            discontinuitySequence: row.discontinuitySequence,
            ...(row.hasDiscontinuity ? { discontinuityK: row.k } : {}),
          });
        }
        const next = row.isComplete
          ? { k: row.k + 1, part: 0 }
          : { k: row.k, part: Math.min(row.parts.length, grid.partsPerSegment - 1) };
        const key = keyOf(rendition.renditionId, row.period);
        const before = this.#progress.get(key);
        if (before === undefined || comparePositions(before.next, next) < 0) {
          this.#progress.set(key, {
            next,
            isGapSegment: next.part > 0 && row.parts[0]?.isGap === true,
            hasHole: !row.isComplete && row.parts.some((part) => part.isGap && part.durationTicks > 0),
            endTicks: next.part > 0 ? row.baseMediaDecodeTime + row.durationTicks : undefined,
            run: row.isComplete ? { isGap: row.isGap, firstK: row.runFirstK } : before?.run,
          });
        }
        const last = this.#lastPeriod.get(rendition.renditionId) ?? 0;
        this.#lastPeriod.set(rendition.renditionId, Math.max(last, row.period));
      }
      if (rendition.resume !== undefined) this.#applyResume(rendition.renditionId, rendition.resume);
    }
  }

  /** True when no rendition has a row. */
  get isEmpty(): boolean {
    return this.#numbers.size === 0;
  }

  /** Newest period that has a row in any rendition. */
  get newestPeriod(): number | undefined {
    return this.isEmpty ? undefined : Math.max(...this.#numbers.keys());
  }

  /** The oldest period in which one of the renditions may lack rows: where to continue. */
  continuationPeriod(renditionIds: readonly string[]): number | undefined {
    const oldest = this.isEmpty ? undefined : Math.min(...this.#numbers.keys());
    if (oldest === undefined) return undefined;
    return Math.min(...renditionIds.map((id) => this.#lastPeriod.get(id) ?? oldest));
  }

  /** The numbers of a period that has rows. */
  numbersOf(period: number): PeriodNumbers | undefined {
    return this.#numbers.get(period);
  }

  /** Newest segment that any rendition has begun in a period. */
  newestK(period: number): number | undefined {
    let newest: number | undefined;
    for (const [key, { next }] of this.#progress) {
      if (!key.startsWith(`${period}/`)) continue;
      const k = next.part === 0 ? next.k - 1 : next.k;
      newest = Math.max(newest ?? k, k);
    }
    return newest;
  }

  /** Where a rendition continues in a period; `undefined` when it has no row there. */
  progressOf(renditionId: string, period: number): RenditionProgress | undefined {
    return this.#progress.get(keyOf(renditionId, period));
  }

  /** True when a rendition has rows of a later period, so that this one is closed for it. */
  isPast(renditionId: string, period: number): boolean {
    return (this.#lastPeriod.get(renditionId) ?? -1) > period;
  }

  /** The packager may have parts that its rows do not show yet, never fewer. */
  #applyResume(renditionId: string, resume: sink.Position): void {
    const period = this.#lastPeriod.get(renditionId);
    if (period === undefined) return;
    const key = keyOf(renditionId, period);
    const known = this.#progress.get(key);
    if (known !== undefined && comparePositions(known.next, resume) < 0)
      this.#progress.set(key, { ...known, next: resume, endTicks: undefined });
  }
}

function keyOf(renditionId: string, period: number): string {
  return `${period}/${renditionId}`;
}
