import type { sink } from '@millrace/contracts';
import { endedStaySeconds, fewestWindowSeconds, removedStaySeconds } from '@millrace/media';
import { KRanges } from './k-ranges.ts';
import type { MemoryAccount } from './memory-budget.ts';
import { checkFirstPart, checkNextPart } from './part-rules.ts';
import type { PlacedPart } from './part-rules.ts';
import type { PartRefusal } from './refusal.ts';
import { StoredSegment } from './stored-segment.ts';

/** What is fixed for a rendition when its session opens. */
export interface RenditionTerms {
  /** Ticks per second of its media. */
  readonly timescale: number;
  /** Nominal duration of a segment. */
  readonly segmentSeconds: number;
  /** EXT-X-TARGETDURATION. */
  readonly targetDurationSeconds: number;
  /** Segments a playlist lists at least, once there are that many. */
  readonly windowSegments: number;
  /** True when an unfinished segment is made again whole after a resume, so that its parts must not be seen (B-frames). */
  readonly isRemadeWhole: boolean;
}

/** What became of a part. */
export type TakeOutcome =
  | { readonly kind: 'stored'; readonly completed: StoredSegment | undefined }
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'refused'; readonly refusal: PartRefusal };

/** Where a segment number stands. */
export type Located =
  | { readonly kind: 'held'; readonly segment: StoredSegment }
  /** It was here; its time is over. */
  | { readonly kind: 'expired' }
  /** It lies in the past and was never made. */
  | { readonly kind: 'never' }
  | { readonly kind: 'future' };

/** What a rendition had before what is held. */
export interface RenditionPast {
  /** Segment numbers that were complete once. */
  readonly known: readonly { readonly first: number; readonly last: number }[];
  readonly longestWindowMs: number;
}

/** The live window of one rendition: rows and media of what is listed, and of what was listed and may still be asked for. */
export class RenditionWindow {
  readonly renditionId: string;
  readonly #account: MemoryAccount;
  /** Held segments, oldest first; only the last may be incomplete. */
  #segments: StoredSegment[] = [];
  readonly #byK = new Map<number, StoredSegment>();
  readonly #known = new KRanges();
  #terms: RenditionTerms | undefined;
  #longestWindowSeconds = 0;

  constructor(renditionId: string, account: MemoryAccount) {
    this.renditionId = renditionId;
    this.#account = account;
  }

  get terms(): RenditionTerms | undefined {
    return this.#terms;
  }

  /** Sets what the session record fixed; the window does not slide before. */
  setTerms(terms: RenditionTerms): void {
    this.#terms = terms;
  }

  /** Segments of which every part is there, oldest first, those that slid out of the window included. */
  get complete(): readonly StoredSegment[] {
    return this.#segments.slice(0, this.completeCount);
  }

  /** How many segments are complete; the index of the last one is one less. */
  get completeCount(): number {
    const last = this.#segments.at(-1);
    return last === undefined || last.isComplete ? this.#segments.length : this.#segments.length - 1;
  }

  /** A complete segment by its index among all that are held. */
  completeAt(index: number): StoredSegment | undefined {
    return index < this.completeCount ? this.#segments[index] : undefined;
  }

  get lastComplete(): StoredSegment | undefined {
    const last = this.#segments.at(-1);
    return last === undefined || last.isComplete ? last : this.#segments.at(-2);
  }

  /** The segment of which parts are still to come. */
  get incomplete(): StoredSegment | undefined {
    const last = this.#segments.at(-1);
    return last?.isComplete === false ? last : undefined;
  }

  /**
   * Takes a part that the caller's token rules.
   *
   * What is held stays: the same position again is a duplicate, whatever its bytes, unless its row says otherwise.
   */
  take(part: PlacedPart, nowMs: number): TakeOutcome {
    const { k } = part.position;
    const held = this.#byK.get(k);
    const last = this.#segments.at(-1);
    if (held !== undefined && part.position.part === 0 && this.#isToBeRemade(held)) this.#drop(held);
    else if (held?.parts[part.position.part] !== undefined || (last !== undefined && k < last.k))
      return this.#takeAgain(part, held);
    const current = this.#byK.get(k);
    const previous = current === undefined ? this.#segments.at(-1) : current;
    const refusal =
      current === undefined
        ? checkFirstPart(part, previous, this.#terms)
        : checkNextPart(part, current, this.#terms);
    if (refusal !== undefined) return { kind: 'refused', refusal };
    if (!this.#account.take(part.data.length)) {
      return {
        kind: 'refused',
        refusal: {
          reason: 'memory',
          message: 'raise memory.* or shorten the windows',
        },
      };
    }
    const segment = current ?? this.#begin(part);
    segment.add(part);
    if (!segment.isComplete) return { kind: 'stored', completed: undefined };
    this.#known.add(k);
    this.#slide(nowMs);
    return { kind: 'stored', completed: segment };
  }

  #takeAgain(part: PlacedPart, held: StoredSegment | undefined): TakeOutcome {
    // Below everything that is held: published long ago, or never to be.
    if (held === undefined) return { kind: 'duplicate' };
    const known = held.parts[part.position.part];
    const isSame =
      known !== undefined &&
      held.msn === part.msn &&
      held.discontinuitySequence === part.discontinuitySequence &&
      held.hasDiscontinuity === part.hasDiscontinuity &&
      held.period === part.period &&
      known.durationTicks === part.durationTicks &&
      known.isGap === part.isGap;
    if (isSame) return { kind: 'duplicate' };
    return {
      kind: 'refused',
      refusal: {
        reason: 'contradiction',
        message: 'another row is held at this position; resume after hello',
      },
    };
  }

  #isToBeRemade(segment: StoredSegment): boolean {
    return !segment.isComplete && this.#terms?.isRemadeWhole === true;
  }

  #begin(part: PlacedPart): StoredSegment {
    const segment = new StoredSegment(part);
    this.#segments.push(segment);
    this.#byK.set(segment.k, segment);
    return segment;
  }

  #drop(segment: StoredSegment): void {
    this.#byK.delete(segment.k);
    this.#segments = this.#segments.filter((other) => other !== segment);
    this.#account.release(segment.sizeBytes);
  }

  /**
   * The segments that a playlist lists whose last row is `complete[endIndex - 1]`: the fewest that are at least the window
   * and three target durations. A function of the rows alone, so that every replica slides alike.
   */
  window(endIndex: number = this.completeCount): readonly StoredSegment[] {
    const terms = this.#terms;
    if (terms === undefined) return this.#segments.slice(0, endIndex);
    const minTicks = fewestWindowSeconds(terms.targetDurationSeconds) * terms.timescale;
    let start = endIndex;
    let ticks = 0;
    while (start > 0 && (endIndex - start < terms.windowSegments || ticks < minTicks)) {
      start -= 1;
      ticks += this.#segments[start]?.durationTicks ?? 0;
    }
    return this.#segments.slice(start, endIndex);
  }

  /** Where the segment with number `k` is. */
  locate(k: number): Located {
    const segment = this.#byK.get(k);
    if (segment !== undefined) return { kind: 'held', segment };
    if (this.#known.has(k)) return { kind: 'expired' };
    const last = this.#segments.at(-1);
    return last === undefined || k > last.k ? { kind: 'future' } : { kind: 'never' };
  }

  /** The oldest held segment with a media sequence number above the given one. */
  segmentAfter(msn: number): StoredSegment | undefined {
    return this.#segments.find((segment) => segment.msn > msn);
  }

  /** True when exactly this part is held, bytes included. */
  holdsPart(part: PlacedPart): boolean {
    const held = this.#byK.get(part.position.k)?.parts[part.position.part];
    return held !== undefined && held.bytes.equals(part.data);
  }

  /** True when something between what is held and this part is missing. */
  isBefore(part: PlacedPart): boolean {
    const last = this.#segments.at(-1);
    const next = part.position.part;
    if (last === undefined) return next > 0;
    if (!last.isComplete) return part.msn > last.msn || (part.msn === last.msn && next > last.parts.length);
    return part.msn > last.msn + 1 || (part.msn === last.msn + 1 && next > 0);
  }

  /** What was before what is held, for a twin. */
  get past(): RenditionPast {
    return { known: this.#known.ranges, longestWindowMs: Math.round(this.#longestWindowSeconds * 1000) };
  }

  /** Takes over what a twin had before what it holds. */
  restorePast({ known, longestWindowMs }: RenditionPast): void {
    this.#known.restore(known);
    this.#longestWindowSeconds = Math.max(this.#longestWindowSeconds, longestWindowMs / 1000);
  }

  /** True when a part of a segment that is not complete may be seen. */
  get hasVisibleParts(): boolean {
    return this.#terms?.isRemadeWhole === false;
  }

  /** Rows for a worker that is to resume, and where. */
  resume(): sink.RenditionResume {
    const rows = this.window().map((segment) => segment.toRow());
    const last = this.#segments.at(-1);
    if (last === undefined) return { renditionId: this.renditionId, rows };
    if (last.isComplete) return { renditionId: this.renditionId, rows, resume: { k: last.k + 1, part: 0 } };
    if (this.#isToBeRemade(last))
      return { renditionId: this.renditionId, rows, resume: { k: last.k, part: 0 } };
    return {
      renditionId: this.renditionId,
      rows: [...rows, last.toRow()],
      resume: { k: last.k, part: last.parts.length },
    };
  }

  /** How long everything has to stay once nothing follows; not shorter for a session that never filled its window. */
  get retentionAfterEndMs(): number {
    if (this.#terms === undefined) return 0;
    const { segmentSeconds, windowSegments } = this.#terms;
    const longestSeconds = Math.max(this.#longestWindowSeconds, windowSegments * segmentSeconds);
    return endedStaySeconds(segmentSeconds, longestSeconds) * 1000;
  }

  /** Periods of which a segment is held. */
  get periods(): ReadonlySet<number> {
    return new Set(this.#segments.map(({ period }) => period));
  }

  /** Lets go of everything. */
  clear(): void {
    for (const { sizeBytes } of this.#segments) this.#account.release(sizeBytes);
    this.#segments = [];
    this.#byK.clear();
  }

  #slide(nowMs: number): void {
    const listed = this.window();
    const [first] = listed;
    if (first === undefined || this.#terms === undefined) return;
    const windowSeconds = listed.reduce((sum, segment) => sum + this.#seconds(segment), 0);
    this.#longestWindowSeconds = Math.max(this.#longestWindowSeconds, windowSeconds);
    for (const segment of this.#segments) {
      if (segment === first) break;
      segment.removedAtMs ??= nowMs;
    }
    this.letGo(nowMs);
  }

  /** Lets go of media whose time is over: what slid out stays for its own duration and that of the longest playlist (H-8). */
  letGo(nowMs: number): void {
    for (;;) {
      const [oldest] = this.#segments;
      if (oldest?.removedAtMs === undefined) return;
      const stayMs = removedStaySeconds(this.#seconds(oldest), this.#longestWindowSeconds) * 1000;
      if (nowMs - oldest.removedAtMs < stayMs) return;
      this.#drop(oldest);
    }
  }

  #seconds(segment: StoredSegment): number {
    return segment.durationTicks / (this.#terms?.timescale ?? 1);
  }
}
