import type { sink } from '@millrace/contracts';

/** A part that is held: its row data and its bytes, empty for a gap. */
export interface StoredPart {
  readonly durationTicks: number;
  readonly isIndependent: boolean;
  readonly isGap: boolean;
  readonly bytes: Buffer;
}

/** A segment of a rendition: its row and its media. Parts are added until the last one; then nothing changes any more. */
export class StoredSegment {
  readonly renditionId: string;
  readonly k: number;
  readonly msn: number;
  readonly discontinuitySequence: number;
  readonly period: number;
  readonly baseMediaDecodeTime: number;
  readonly utcOffsetUs: number;
  /** True when an EXT-X-DISCONTINUITY stands in front of it. */
  readonly hasDiscontinuity: boolean;
  /** When the window slid past it; absent while it is listed. */
  removedAtMs: number | undefined;
  #parts: StoredPart[] = [];
  #body: Buffer | undefined;
  #durationTicks = 0;
  #sizeBytes = 0;
  #runFirstK = 0;

  constructor(first: sink.Part & { readonly position: sink.Position }) {
    this.renditionId = first.renditionId;
    this.k = first.position.k;
    this.msn = first.msn;
    this.discontinuitySequence = first.discontinuitySequence;
    this.period = first.period;
    this.baseMediaDecodeTime = first.baseMediaDecodeTime;
    this.utcOffsetUs = first.utcOffsetUs;
    this.hasDiscontinuity = first.hasDiscontinuity;
  }

  get parts(): readonly StoredPart[] {
    return this.#parts;
  }

  /** The concatenation of the parts; absent until the last one is there. */
  get body(): Buffer | undefined {
    return this.#body;
  }

  get isComplete(): boolean {
    return this.#body !== undefined;
  }

  /**
   * True when media is missing: a segment with a hole is listed as a gap as a whole, since its EXTINF would promise what is not
   * there (H-2, H-14). Its parts keep their own marks. Parts after the end of the period's media miss nothing.
   */
  get isGap(): boolean {
    return (
      this.#parts.every(({ isGap }) => isGap) ||
      this.#parts.some(({ isGap, durationTicks }) => isGap && durationTicks > 0)
    );
  }

  get durationTicks(): number {
    return this.#durationTicks;
  }

  /** Segment number of the first row of its run: rows of its period that are all gaps or all not. 0 while it is not complete. */
  get runFirstK(): number {
    return this.#runFirstK;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Adds the next part. */
  add(part: sink.Part): void {
    this.#parts.push({
      durationTicks: part.durationTicks,
      isIndependent: part.isIndependent,
      isGap: part.isGap,
      bytes: part.data,
    });
    this.#durationTicks += part.durationTicks;
    this.#sizeBytes += part.data.length;
    this.#runFirstK = part.runFirstK;
    if (part.isLast) this.#complete();
  }

  /** One buffer serves the segment and, in slices, its parts; what the parts arrived in is let go. */
  #complete(): void {
    const body = Buffer.concat(this.#parts.map(({ bytes }) => bytes));
    let at = 0;
    this.#parts = this.#parts.map((part) => {
      const bytes = body.subarray(at, at + part.bytes.length);
      at += part.bytes.length;
      return { ...part, bytes };
    });
    this.#body = body;
  }

  /** One of its parts as its author has sent it. */
  toPart(index: number): sink.Part | undefined {
    const part = this.#parts[index];
    if (part === undefined) return undefined;
    const before = this.#parts.slice(0, index).reduce((ticks, { durationTicks }) => ticks + durationTicks, 0);
    const isLast = this.isComplete && index === this.#parts.length - 1;
    return {
      renditionId: this.renditionId,
      position: { k: this.k, part: index },
      period: this.period,
      msn: this.msn,
      discontinuitySequence: this.discontinuitySequence,
      hasDiscontinuity: this.hasDiscontinuity,
      baseMediaDecodeTime: this.baseMediaDecodeTime + before,
      durationTicks: part.durationTicks,
      utcOffsetUs: this.utcOffsetUs,
      isIndependent: part.isIndependent,
      isGap: part.isGap,
      isLast,
      data: part.bytes,
      runFirstK: isLast ? this.#runFirstK : 0,
    };
  }

  /** The row, as it travels. */
  toRow(): sink.Row {
    return {
      renditionId: this.renditionId,
      k: this.k,
      msn: this.msn,
      discontinuitySequence: this.discontinuitySequence,
      hasDiscontinuity: this.hasDiscontinuity,
      period: this.period,
      baseMediaDecodeTime: this.baseMediaDecodeTime,
      durationTicks: this.#durationTicks,
      utcOffsetUs: this.utcOffsetUs,
      parts: this.#parts.map(({ durationTicks, bytes, isIndependent, isGap }) => ({
        durationTicks,
        sizeBytes: bytes.length,
        isIndependent,
        isGap,
      })),
      isComplete: this.isComplete,
      isGap: this.isGap,
      runFirstK: this.#runFirstK,
    };
  }
}
