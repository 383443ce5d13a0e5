import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import {
  partFirstTick,
  partPosition,
  partsPerSegment,
  rescale,
  segmentFirstTick,
  segmentNumber,
  segmentStartTicks,
} from './grid.ts';
import { rational } from './rational.ts';
import { runs } from './testdata/runs.ts';

const timescale = fc.constantFrom(90_000, 48_000, 44_100, 32_000, 22_050);
const segment = fc
  .tuple(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 1, max: 2000 }))
  .filter(([numerator, denominator]) => numerator >= denominator)
  .map(([numerator, denominator]) => rational(numerator, denominator));
const seconds = fc.integer({ min: 0, max: 4_000_000_000 });

/** The rule as DESIGN states it, in BigInt. */
function exactNumber(
  ticks: number,
  scale: number,
  { numerator, denominator }: { numerator: number; denominator: number },
): number {
  return Number(
    ((2000n * BigInt(ticks) + BigInt(scale)) * BigInt(denominator)) /
      (2000n * BigInt(scale) * BigInt(numerator)),
  );
}

describe('the grid', () => {
  it('is floor((t + e) / SEG) to the tick, anywhere between 1970 and 2096', () => {
    fc.assert(
      fc.property(seconds, fc.nat(191_999), timescale, segment, (second, rest, scale, seg) => {
        const ticks = second * scale + (rest % scale);
        expect(segmentNumber(ticks, scale, seg)).toBe(exactNumber(ticks, scale, seg));
      }),
      runs(),
    );
  });

  it('has one first tick for each segment and part, and it is the first', () => {
    fc.assert(
      fc.property(
        seconds,
        timescale,
        segment,
        fc.integer({ min: 1, max: 40 }),
        fc.nat(39),
        (second, scale, seg, parts, index) => {
          const k = segmentNumber(second * scale, scale, seg);
          const first = segmentFirstTick(k, scale, seg);
          expect(segmentNumber(first, scale, seg)).toBe(k);
          expect(segmentNumber(first - 1, scale, seg)).toBe(k - 1);
          expect(segmentNumber(segmentStartTicks(k, scale, seg), scale, seg)).toBe(k);
          const pt = rational(seg.numerator, seg.denominator * parts);
          const position = { k, part: index % parts };
          expect(partsPerSegment(seg, pt)).toBe(parts);
          const partFirst = partFirstTick(position, scale, seg, pt);
          expect(partPosition(partFirst, scale, seg, pt)).toEqual(position);
          expect(partPosition(partFirst - 1, scale, seg, pt)).not.toEqual(position);
        },
      ),
      runs(0.5),
    );
  });

  it('loses at most half a tick in a conversion, and none on the way up and back', () => {
    fc.assert(
      fc.property(seconds, fc.nat(44_099), (second, rest) => {
        const ticks = second * 44_100 + rest;
        expect(rescale(rescale(ticks, 44_100, 90_000), 90_000, 44_100)).toBe(ticks);
      }),
      runs(),
    );
  });
});
