import type { session, sink } from '@millrace/contracts';
import type { AssembledPart } from './media-sample.ts';
import { comparePositions } from './part-grid.ts';
import type { PartGrid } from './part-grid.ts';
import { RowHistory } from './row-history.ts';
import type { PeriodNumbers, RowRun } from './row-history.ts';

/** A segment that is complete in every rendition. */
export interface CompletedSegment {
  readonly k: number;
  /** Renditions that have no media in it. */
  readonly gapRenditions: readonly string[];
}

interface RenditionState {
  readonly rendition: session.Rendition;
  next: sink.Position;
  /** End of the last sample in the rendition's timescale; `undefined` before the first. */
  mediaEndTicks: number | undefined;
  /** Where the segment of `next` ended when this author took over; `undefined` when it had not begun. */
  inheritedEndTicks: number | undefined;
  /** True while every part of the segment of `next` so far is a gap. */
  isGapSegment: boolean;
  /** True when the segment of `next` lacks media that others have. */
  hasHole: boolean;
  /** The run of rows that ends before `next`; `undefined` before the first of a period. */
  run: RowRun | undefined;
  readonly gapSegments: Set<number>;
}

/**
 * The author of the segment index of one session: the only place where a row's numbers come from.
 *
 * Every K of a period gets a row in every rendition, and every row `partsPerSegment` parts, as gaps where there is no media. A
 * row's media sequence number is one more than that of the row before it, its discontinuity sequence one more when the
 * period differs. With no rows left anywhere, the media sequence number is K.
 */
export class RowAuthor {
  readonly #grid: PartGrid;
  readonly #history: RowHistory;
  readonly #from: sink.Position;
  readonly #states: readonly RenditionState[];
  readonly #byId = new Map<string, RenditionState>();
  #numbers: PeriodNumbers | undefined;
  #isPeriodOpen = false;
  #completedBefore = 0;
  #utcOffsets = new Map<number, number>();
  #utcOffsetUs = 0;

  constructor(options: {
    readonly grid: PartGrid;
    readonly renditions: readonly session.Rendition[];
    readonly reply: sink.HelloReply;
    /** First position that is this author's to make: what lies before is made by the worker that hands over. */
    readonly from: sink.Position;
  }) {
    this.#from = options.from;
    this.#grid = options.grid;
    this.#history = new RowHistory(options.reply, options.grid);
    this.#states = options.renditions.map((rendition) => ({
      rendition,
      next: { k: 0, part: 0 },
      mediaEndTicks: undefined,
      inheritedEndTicks: undefined,
      isGapSegment: true,
      hasHole: false,
      run: undefined,
      gapSegments: new Set<number>(),
    }));
    for (const state of this.#states) this.#byId.set(state.rendition.id, state);
  }

  /** What came back at hello. */
  get history(): RowHistory {
    return this.#history;
  }

  /** Begins or continues a period; `firstK` is the first segment this author is to make when nothing is known of the period. */
  beginPeriod(period: number, firstK: number): void {
    if (this.#isPeriodOpen) throw new RangeError('the period before was not ended');
    this.#numbers = this.#numbersFor(period, firstK);
    this.#isPeriodOpen = true;
    for (const state of this.#states) {
      const known = this.#history.progressOf(state.rendition.id, period);
      state.next = this.#history.isPast(state.rendition.id, period)
        ? { k: Number.MAX_SAFE_INTEGER, part: 0 }
        : (known?.next ?? { k: this.#numbers.firstK, part: 0 });
      const isHandedOver = comparePositions(state.next, this.#from) < 0;
      if (isHandedOver) state.next = this.#from;
      state.mediaEndTicks = undefined;
      state.inheritedEndTicks = isHandedOver ? undefined : known?.endTicks;
      state.isGapSegment = isHandedOver || state.next.part === 0 || known?.isGapSegment === true;
      state.hasHole = !isHandedOver && known?.hasHole === true;
      // The worker that hands over makes media up to there, or it would not have been asked to go on so far.
      state.run = known?.run ?? (isHandedOver ? { isGap: false, firstK: this.#numbers.firstK } : undefined);
      state.gapSegments.clear();
    }
    this.#completedBefore = this.#firstOpenK();
  }

  /** The part that a rendition lacks next. */
  next(renditionId: string): sink.Position {
    return this.#state(renditionId).next;
  }

  /** True when a rendition has rows of a later period, so that it lacks nothing of this one and `next` is beyond every part. */
  isPast(renditionId: string): boolean {
    return this.#state(renditionId).next.k === Number.MAX_SAFE_INTEGER;
  }

  /** True when the segment of `next` began with gap parts only, so that `source` cannot go on within it. */
  isGapSegment(renditionId: string): boolean {
    return this.#state(renditionId).isGapSegment;
  }

  /** The wall clock of a segment, as ingest froze it; later segments without one keep it. */
  setUtcOffset(k: number, utcOffsetUs: number): void {
    this.#utcOffsets.set(k, utcOffsetUs);
    if (this.#utcOffsets.size > MAX_UTC_OFFSETS) {
      const oldest = this.#utcOffsets.keys().next();
      if (oldest.done !== true) this.#utcOffsets.delete(oldest.value);
    }
    this.#utcOffsetUs = utcOffsetUs;
  }

  /** Authors a part with media, and the gap parts before it. Nothing when the position was authored already. */
  author(renditionId: string, part: AssembledPart): readonly sink.Part[] {
    const state = this.#state(renditionId);
    if (comparePositions(part.position, state.next) < 0) return [];
    const parts = this.#fill(state, part.position, undefined);
    parts.push(
      this.#row(state, {
        baseMediaDecodeTime: part.baseMediaDecodeTime,
        durationTicks: part.durationTicks,
        isIndependent: part.isIndependent,
        isGap: false,
        data: part.data,
      }),
    );
    state.mediaEndTicks = part.baseMediaDecodeTime + part.durationTicks;
    return parts;
  }

  /** Authors gap parts for all that a rendition lacks before `until`. */
  fillGaps(renditionId: string, until: sink.Position): readonly sink.Part[] {
    return this.#fill(this.#state(renditionId), until, undefined);
  }

  /**
   * Ends the period: gap parts for whatever any rendition lacks up to and with `lastK`, reaching to the end of the media that
   * the other renditions have, not beyond.
   */
  endPeriod(lastK: number): readonly sink.Part[] {
    let endSeconds = 0;
    for (const { rendition, mediaEndTicks } of this.#states)
      endSeconds = Math.max(endSeconds, (mediaEndTicks ?? 0) / rendition.timescale);
    const until = { k: lastK + 1, part: 0 };
    const parts = this.#states.flatMap((state) =>
      this.#fill(
        state,
        until,
        endSeconds === 0 ? undefined : Math.round(endSeconds * state.rendition.timescale),
      ),
    );
    const numbers = this.#openNumbers();
    this.#numbers = {
      ...numbers,
      firstMsn: numbers.firstMsn + (lastK + 1 - numbers.firstK),
      firstK: lastK + 1,
    };
    this.#isPeriodOpen = false;
    return parts;
  }

  /** Segments that have become complete in every rendition since the last call. */
  takeCompleted(): readonly CompletedSegment[] {
    const openK = this.#firstOpenK();
    if (openK <= this.#completedBefore || openK === Number.MAX_SAFE_INTEGER) return [];
    const completed: CompletedSegment[] = [];
    for (let k = this.#completedBefore; k < openK; k += 1) {
      const gaps = this.#states.filter((state) => state.gapSegments.delete(k));
      completed.push({ k, gapRenditions: gaps.map(({ rendition }) => rendition.id) });
    }
    this.#completedBefore = openK;
    return completed;
  }

  #firstOpenK(): number {
    return Math.min(...this.#states.map(({ next }) => next.k));
  }

  #fill(state: RenditionState, until: sink.Position, endTicks: number | undefined): sink.Part[] {
    const parts: sink.Part[] = [];
    const { timescale } = state.rendition;
    while (comparePositions(state.next, until) < 0) {
      const start = this.#grid.startTicksOf(state.next, timescale);
      const end = this.#grid.startTicksOf(this.#grid.after(state.next), timescale);
      const from = Math.max(start, state.mediaEndTicks ?? state.inheritedEndTicks ?? start);
      // A segment that has media ends with it: EXTINF is what was served (H-2), although others may have gone on a little.
      const isTail = endTicks !== undefined && state.next.part > 0 && !state.isGapSegment;
      parts.push(
        this.#row(state, {
          baseMediaDecodeTime: from,
          durationTicks: isTail ? 0 : Math.max(0, Math.min(end, endTicks ?? end) - from),
          isIndependent: false,
          isGap: true,
          data: NO_DATA,
        }),
      );
    }
    return parts;
  }

  #row(
    state: RenditionState,
    media: Pick<sink.Part, 'baseMediaDecodeTime' | 'durationTicks' | 'isIndependent' | 'isGap' | 'data'>,
  ): sink.Part {
    const numbers = this.#openNumbers();
    const position = state.next;
    const isLast = position.part === this.#grid.partsPerSegment - 1;
    state.isGapSegment = media.isGap && (position.part === 0 || state.isGapSegment);
    state.hasHole ||= media.isGap && media.durationTicks > 0;
    if (isLast && state.isGapSegment) state.gapSegments.add(position.k);
    if (isLast) this.#endSegment(state, position.k);
    state.next = this.#grid.after(position);
    return {
      renditionId: state.rendition.id,
      position,
      period: numbers.period,
      msn: numbers.firstMsn + (position.k - numbers.firstK),
      discontinuitySequence: numbers.discontinuitySequence,
      hasDiscontinuity: numbers.discontinuityK === position.k,
      utcOffsetUs: this.#utcOffsets.get(position.k) ?? this.#utcOffsetUs,
      isLast,
      runFirstK: isLast ? (state.run?.firstK ?? position.k) : 0,
      ...media,
    };
  }

  /** A segment with a hole is listed as a gap as a whole. */
  #endSegment(state: RenditionState, k: number): void {
    const isGap = state.isGapSegment || state.hasHole;
    if (state.run?.isGap !== isGap) state.run = { isGap, firstK: k };
    state.isGapSegment = true;
    state.hasHole = false;
  }

  #numbersFor(period: number, firstK: number): PeriodNumbers {
    const known = this.#history.numbersOf(period);
    if (known !== undefined) return known;
    const before = this.#numbers;
    if (before === undefined) return { period, firstK, firstMsn: firstK, discontinuitySequence: period };
    return {
      period,
      firstK,
      firstMsn: before.firstMsn,
      discontinuitySequence: before.discontinuitySequence + 1,
      discontinuityK: firstK,
    };
  }

  #openNumbers(): PeriodNumbers {
    if (this.#numbers === undefined || !this.#isPeriodOpen) throw new RangeError('no period is open');
    return this.#numbers;
  }

  #state(renditionId: string): RenditionState {
    const state = this.#byId.get(renditionId);
    if (state === undefined) throw new RangeError(`${renditionId}: not a rendition of the session`);
    return state;
  }
}

const MAX_UTC_OFFSETS = 256;
const NO_DATA = Buffer.alloc(0);
