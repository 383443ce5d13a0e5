import { expect, test } from '@jest/globals';
import { PartGrid } from './part-grid.ts';
import { SourceCutter } from './source-cutter.ts';

const grid = new PartGrid({ numerator: 2, denominator: 1 }, { numerator: 1, denominator: 1 });

/** Frames at 25 fps from segment 50 on, with an IDR every `gop` frames; what became of each second's first frame. */
function cutSeconds(
  gop: number,
  seconds: number,
  first = { k: 50, part: 0 },
  isGapSegment = false,
): string[] {
  const cutter = new SourceCutter({ grid, timescale: 90_000, first, lateTicks: 9000, isGapSegment });
  const kinds: string[] = [];
  for (let frame = 0; frame < seconds * 25; frame += 1) {
    const cut = cutter.cut({
      dts: 50 * 180_000 + frame * 3600,
      duration: 3600,
      compositionOffset: 0,
      isSync: frame % gop === 0,
      data: new Uint8Array(0),
    });
    if (frame % 25 === 0)
      kinds.push(cut.kind === 'gap' ? `gap${cut.cause === 'no-idr' ? '!' : ''}` : cut.kind);
  }
  return kinds;
}

test('a GOP that divides the segment keeps everything', () => {
  expect(cutSeconds(50, 6)).toEqual(['keep', 'keep', 'keep', 'keep', 'keep', 'keep']);
  expect(cutSeconds(25, 2)).toEqual(['keep', 'keep']);
});

test('a segment that does not begin with an IDR is a gap, reported once, until the next one that does', () => {
  expect(cutSeconds(75, 7)).toEqual(['keep', 'keep', 'gap!', 'gap', 'gap!', 'gap', 'keep']);
});

test('resume goes on in mid-segment, or finishes the gap that was begun', () => {
  expect(cutSeconds(50, 4, { k: 50, part: 1 })).toEqual(['past', 'keep', 'keep', 'keep']);
  expect(cutSeconds(50, 4, { k: 50, part: 1 }, true)).toEqual(['past', 'gap', 'keep', 'keep']);
});
