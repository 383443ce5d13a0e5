import type { sink } from '@millrace/contracts';

/** First segment of the sessions that the contract suites publish. */
export const FIRST_K = 895_000_000;
/** Timescales of the renditions that every fixture's session has. */
const TIMESCALES: Readonly<Record<string, number>> = { '720p': 90_000, audio: 48_000 };

/** A part of one second of `720p` or `audio`, two to a segment; `index` counts segments from the first. */
export function partOf(
  renditionId: string,
  index: number,
  part: number,
  change: Partial<sink.Part> = {},
): sink.Part {
  const timescale = TIMESCALES[renditionId] ?? 90_000;
  const k = FIRST_K + index;
  return {
    renditionId,
    position: { k, part },
    period: 0,
    msn: k,
    discontinuitySequence: 0,
    hasDiscontinuity: false,
    runFirstK: part === 1 ? FIRST_K : 0,
    baseMediaDecodeTime: (k * 2 + part) * timescale,
    durationTicks: timescale,
    utcOffsetUs: 250_000,
    isIndependent: part === 0,
    isGap: false,
    isLast: part === 1,
    data: Buffer.alloc(100, (index * 2 + part) % 251),
    ...change,
  };
}

/** Both parts of a segment. */
export function segmentOf(
  renditionId: string,
  index: number,
  change: Partial<sink.Part> = {},
): readonly sink.Part[] {
  return [0, 1].map((part) => partOf(renditionId, index, part, change));
}

/** The init segment of a rendition's period; its bytes mean nothing. */
export function initOf(renditionId: string, period = 0, fill = 1): sink.InitSegment {
  return { renditionId, period, data: Buffer.alloc(40, fill) };
}
