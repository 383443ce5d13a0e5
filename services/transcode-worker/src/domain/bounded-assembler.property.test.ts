import { test } from '@jest/globals';
import { fuzz } from '../testing/fuzz.ts';
import { videoRendition } from '../testing/renditions.ts';
import { RowWindow } from '../testing/row-window.ts';
import { BoundedAssembler } from './bounded-assembler.ts';
import type { LaneOutput } from './lane-output.ts';
import { PartGrid } from './part-grid.ts';
import { RowAuthor } from './row-author.ts';

const grid = new PartGrid({ numerator: 2, denominator: 1 }, { numerator: 1, denominator: 2 });
const presentation = { partTargetUs: 567_000, targetDurationSeconds: 2 };
const rendition = videoRendition();
const DATA = new Uint8Array(1);
/** Distances of frames in ticks, the usual ones first. */
const DISTANCES = [3600, 3600, 3600, 3000, 7200, 20_000, 81_000, 130_000, 400_000];

test('whenever frames come, no part and no segment is longer than was declared, and every row is in its place', () => {
  fuzz((random) => {
    const window = new RowWindow();
    const reply = { renditions: [], inits: [] };
    const author = new RowAuthor({ grid, renditions: [rendition], reply, from: { k: 0, part: 0 } });
    author.beginPeriod(0, 50);
    const first = { k: 50, part: 0 };
    const lane = { rendition, first, firstTicks: undefined };
    const assembler = new BoundedAssembler(lane, grid, { presentation, isGapSegment: false });
    const take = ({ parts, gapUntil }: LaneOutput): void => {
      for (const part of parts) {
        if (part.durationTicks > (presentation.partTargetUs * 90_000) / 1e6 + 2)
          throw new Error(`part ${part.position.k}.${part.position.part} has ${part.durationTicks} ticks`);
        window.take(author.author(rendition.id, part));
      }
      if (gapUntil !== undefined) window.take(author.fillGaps(rendition.id, gapUntil));
    };
    let dts = 50 * 180_000;
    for (let frame = 0; frame < 60; frame += 1) {
      const duration = DISTANCES[random(DISTANCES.length)] ?? 3600;
      take(assembler.push({ dts, duration, compositionOffset: 0, isSync: random(3) === 0, data: DATA }));
      dts += duration;
    }
    take({ parts: assembler.flush() });
    window.take(author.endPeriod(grid.positionOf(dts, 90_000).k));
    for (const { k, durationTicks, parts } of window.rowsOf(rendition.id)) {
      if (durationTicks >= 2.5 * 90_000) throw new Error(`segment ${k} has ${durationTicks} ticks`);
      if (parts.length !== 4) throw new Error(`segment ${k} has ${parts.length} parts`);
    }
  });
});
