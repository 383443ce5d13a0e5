import type { InitFacts, SegmentFacts } from './media-segment.ts';
import type { Report } from './report.ts';

/** A segment duration in seconds, as an exact rational. */
export interface SegmentDuration {
  readonly numerator: number;
  readonly denominator: number;
}

/** e of the grid: a sample up to 0.5 ms before a boundary belongs behind it. */
const EPSILON_DENOMINATOR = 2000n;

/** `K = floor((t + e) / SEG)`, in exact arithmetic. */
function gridNumber(ticks: number, timescale: number, segment: SegmentDuration): number {
  const scale = BigInt(timescale);
  const numerator = (BigInt(ticks) * EPSILON_DENOMINATOR + scale) * BigInt(segment.denominator);
  const denominator = scale * EPSILON_DENOMINATOR * BigInt(segment.numerator);
  return Number(numerator / denominator);
}

/** The number in a segment's name, such as 895000123 of `895000123.m4s`. */
export function numberInName(url: string): number | undefined {
  const digits = /\/(\d+)\.\w+$/.exec(new URL(url).pathname)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Holds a segment to the grid: its first and last sample belong to the number that its name has. */
export function checkGrid(
  url: string,
  facts: SegmentFacts,
  init: InitFacts,
  segment: SegmentDuration,
  report: Report,
): void {
  const number = numberInName(url);
  for (const [which, ticks] of [
    ['first', facts.tfdt],
    ['last', facts.lastSampleTicks],
  ] as const) {
    const k = gridNumber(ticks, init.timescale, segment);
    report.expect(
      k === number,
      'grid',
      url,
      `the ${which} sample at ${ticks}/${init.timescale} belongs to segment ${k}`,
    );
  }
}
