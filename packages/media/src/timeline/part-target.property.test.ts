import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { frameTicks } from './frame-rate.ts';
import { partPosition, partsPerSegment, segmentStartTicks } from './grid.ts';
import {
  audioCadence,
  partTargetUs,
  raisePartDuration,
  targetDurationSeconds,
  videoCadence,
} from './part-target.ts';
import { compareRationals, rational } from './rational.ts';
import { runs } from './testdata/runs.ts';

const FIRST_K = 800_000_000;
const SEGMENTS = 4;

const rate = fc.constantFrom(
  ...[rational(24_000, 1001), rational(25, 1), rational(30_000, 1001), rational(30, 1)],
  ...[rational(50, 1), rational(60_000, 1001), rational(60, 1)],
);
const segment = fc.constantFrom(
  ...[rational(1, 1), rational(2, 1), rational(1001, 500), rational(48, 25), rational(6, 1)],
);
const wanted = fc.integer({ min: 100, max: 3000 }).map((ms) => rational(ms, 1000));

/** Times of samples laid on the grid from the start of `FIRST_K` on. */
interface Layout {
  readonly timescale: number;
  readonly timeOf: (index: number) => number;
}

describe('part and target durations', () => {
  it('L-1: no part of any rendition is longer than the part target, every full one has 85 % of it', () => {
    fc.assert(
      fc.property(rate, fc.constantFrom(48_000, 44_100), segment, wanted, (fps, sampleRate, seg, want) => {
        const cadences = [videoCadence(fps), audioCadence(sampleRate)];
        const pt = raisePartDuration(want, seg, cadences);
        const parts = partsPerSegment(seg, pt);
        expect(compareRationals(pt, want) >= 0 || parts === 1).toBe(true);
        const targetUs = partTargetUs(pt, cadences);
        for (const layout of [videoLayout(fps, seg), audioLayout(sampleRate, seg)]) {
          for (const { part, durationUs } of spans(layout, seg, pt)) {
            expect(durationUs).toBeLessThanOrEqual(targetUs + 1e-3);
            // The last part of a segment may be shorter (RFC 8216bis 4.4.4.9), and of one part alone nothing is asked.
            if (part < parts - 1) expect(durationUs).toBeGreaterThanOrEqual(0.85 * targetUs);
          }
        }
      }),
      runs(0.1),
    );
  });

  it('H-1, H-2: no EXTINF of any rendition is rounded to more than the target duration', () => {
    fc.assert(
      fc.property(rate, fc.constantFrom(48_000, 44_100), segment, (fps, sampleRate, seg) => {
        const target = targetDurationSeconds(seg, [videoCadence(fps), audioCadence(sampleRate)]);
        for (const layout of [videoLayout(fps, seg), audioLayout(sampleRate, seg)])
          for (const { durationUs } of spans(layout, seg, seg))
            expect(Math.round(durationUs / 1e6)).toBeLessThanOrEqual(target);
      }),
      runs(0.1),
    );
  });
});

function videoLayout(fps: { numerator: number; denominator: number }, seg: typeof fps): Layout {
  const start = segmentStartTicks(FIRST_K, 90_000, seg);
  return { timescale: 90_000, timeOf: (index) => start + frameTicks(index, fps) };
}

function audioLayout(timescale: number, seg: { numerator: number; denominator: number }): Layout {
  const start = Math.ceil(segmentStartTicks(FIRST_K, timescale, seg) / 1024) * 1024;
  return { timescale, timeOf: (index) => start + index * 1024 };
}

/** The parts that the samples of some whole segments make; what is cut off at either end is left out. */
function spans(
  { timescale, timeOf }: Layout,
  seg: { numerator: number; denominator: number },
  pt: typeof seg,
): { part: number; durationUs: number }[] {
  const found: { part: number; durationUs: number }[] = [];
  let [begin, at] = [timeOf(0), partPosition(timeOf(0), timescale, seg, pt)];
  for (let index = 1; at.k < FIRST_K + SEGMENTS; index++) {
    const time = timeOf(index);
    const position = partPosition(time, timescale, seg, pt);
    if (position.k === at.k && position.part === at.part) continue;
    found.push({ part: at.part, durationUs: ((time - begin) * 1e6) / timescale });
    [begin, at] = [time, position];
  }
  return found.slice(1);
}
