import { describe, expect, test } from '@jest/globals';
import { audioRendition, videoRendition } from '../testing/renditions.ts';
import { RowWindow } from '../testing/row-window.ts';
import { PartGrid } from './part-grid.ts';
import { RowAuthor } from './row-author.ts';

const grid = new PartGrid({ numerator: 2, denominator: 1 }, { numerator: 1, denominator: 1 });
const renditions = [videoRendition({ id: 'v' }), audioRendition()];

function partAt(k: number, part: number, durationTicks = 90_000) {
  return {
    position: { k, part },
    baseMediaDecodeTime: k * 180_000 + part * 90_000,
    durationTicks,
    isIndependent: true,
    data: Buffer.from('media'),
  };
}

function authorOf(window = new RowWindow(), from = { k: 0, part: 0 }) {
  return new RowAuthor({ grid, renditions, reply: window.reply(), from });
}

describe('numbers', () => {
  test('with no rows left anywhere, the media sequence number is K', () => {
    const author = authorOf();
    author.beginPeriod(3, 850);
    const [part] = author.author('v', partAt(850, 0));
    expect(part).toMatchObject({
      msn: 850,
      discontinuitySequence: 3,
      period: 3,
      isLast: false,
      isGap: false,
    });
  });

  test('a new period goes on with the next media sequence number and one more discontinuity', () => {
    const window = new RowWindow();
    const author = authorOf(window);
    author.beginPeriod(0, 850);
    window.take(author.author('v', partAt(850, 0)));
    window.take(author.endPeriod(850));
    author.beginPeriod(1, 860);
    expect(author.author('v', partAt(860, 0))[0]).toMatchObject({ msn: 851, discontinuitySequence: 1 });
  });

  test('what was authored already is not authored again', () => {
    const author = authorOf();
    author.beginPeriod(0, 10);
    author.author('v', partAt(10, 0));
    expect(author.author('v', partAt(10, 0))).toEqual([]);
  });
});

describe('gaps', () => {
  test('what a rendition lacks before a part is gap parts that sum to the missing time', () => {
    const author = authorOf();
    author.beginPeriod(0, 10);
    const parts = author.author('v', partAt(11, 1));
    expect(parts.map(({ isGap, isLast, durationTicks }) => [isGap, isLast, durationTicks])).toEqual([
      [true, false, 90_000],
      [true, true, 90_000],
      [true, false, 90_000],
      [false, true, 90_000],
    ]);
    expect(parts[2]).toMatchObject({ baseMediaDecodeTime: 11 * 180_000, data: Buffer.alloc(0) });
  });

  test('the end of a period completes every rendition, no further than its media reaches', () => {
    const window = new RowWindow();
    const author = authorOf(window);
    author.beginPeriod(0, 10);
    window.take(author.author('v', partAt(10, 0, 45_000)));
    window.take(author.endPeriod(10));
    expect(window.rowsOf('v')[0]).toMatchObject({ isComplete: true, isGap: false, durationTicks: 45_000 });
    // Audio has nothing at all: its row is a gap as long as the video.
    expect(window.rowsOf('audio')[0]).toMatchObject({ isComplete: true, isGap: true, durationTicks: 24_000 });
  });
});

test('a row names the first of its run: of gaps, of media, or of a hole, also for the next worker', () => {
  const window = new RowWindow();
  const runs = (): unknown[] => window.rowsOf('v').map(({ k, isGap, runFirstK }) => [k, isGap, runFirstK]);
  const first = authorOf(window);
  first.beginPeriod(0, 10);
  for (const k of [10, 11]) for (const part of [0, 1]) window.take(first.author('v', partAt(k, part)));
  window.take(first.fillGaps('v', { k: 13, part: 0 }));
  // Its first part is missing.
  window.take(first.author('v', partAt(13, 1)));
  for (const k of [14, 15]) for (const part of [0, 1]) window.take(first.author('v', partAt(k, part)));
  const next = authorOf(window);
  next.beginPeriod(0, 16);
  for (const part of [0, 1]) window.take(next.author('v', partAt(16, part)));
  window.take(next.endPeriod(16));
  next.beginPeriod(1, 19);
  for (const part of [0, 1]) window.take(next.author('v', partAt(19, part)));
  expect(runs()).toEqual([
    [10, false, 10],
    [11, false, 10],
    [12, true, 12],
    [13, true, 12],
    [14, false, 14],
    [15, false, 14],
    [16, false, 14],
    [19, false, 19],
  ]);
});

describe('a handover', () => {
  test('the successor begins at its first position with the numbers that follow those of the worker before', () => {
    const window = new RowWindow();
    const before = authorOf(window);
    before.beginPeriod(0, 10);
    const make = (author: RowAuthor, k: number): void => {
      for (const part of [0, 1]) {
        for (const id of ['v', 'audio']) window.take(author.author(id, partAt(k, part)));
      }
    };
    make(before, 10);
    // The successor says hello when segment 11 is begun and is to make what comes from 13 on.
    window.take(before.author('v', partAt(11, 0)));
    const successor = authorOf(window, { k: 13, part: 0 });
    successor.beginPeriod(0, 11);
    expect(successor.next('v')).toEqual({ k: 13, part: 0 });
    expect(successor.author('v', partAt(12, 1))).toEqual([]);
    window.take(before.author('v', partAt(11, 1)));
    for (const part of [0, 1]) window.take(before.author('audio', partAt(11, part)));
    make(before, 12);
    make(successor, 13);
    expect(window.rowsOf('audio').map(({ k, msn, runFirstK }) => [k, msn, runFirstK])).toEqual([
      [10, 10, 10],
      [11, 11, 10],
      [12, 12, 10],
      [13, 13, 10],
    ]);
  });

  test('a period that ends before leaves the successor nothing of it, and numbers the next one as the worker before does', () => {
    const window = new RowWindow();
    const before = authorOf(window);
    before.beginPeriod(0, 10);
    for (const id of ['v', 'audio']) window.take(before.author(id, partAt(10, 0)));
    const successor = authorOf(window, { k: 13, part: 0 });
    successor.beginPeriod(0, 10);
    window.take(before.endPeriod(11));
    expect(successor.endPeriod(11)).toEqual([]);
    before.beginPeriod(1, 12);
    successor.beginPeriod(1, 12);
    window.take(before.author('v', partAt(12, 0)));
    window.take(before.author('v', partAt(12, 1)));
    window.take(successor.author('v', partAt(13, 0)));
    expect(window.rowsOf('v').at(-1)).toMatchObject({ k: 13, discontinuitySequence: 1 });
  });
});

test('a segment is complete once, when the last rendition has it, and names its gaps', () => {
  const author = authorOf();
  author.beginPeriod(0, 10);
  author.author('v', partAt(10, 0));
  author.author('v', partAt(10, 1));
  expect(author.takeCompleted()).toEqual([]);
  author.fillGaps('audio', { k: 11, part: 0 });
  expect(author.takeCompleted()).toEqual([{ k: 10, gapRenditions: ['audio'] }]);
  expect(author.takeCompleted()).toEqual([]);
});

test('the wall clock of a segment is the one ingest froze, later ones keep it', () => {
  const author = authorOf();
  author.beginPeriod(0, 10);
  author.setUtcOffset(10, 7);
  expect(author.author('v', partAt(10, 0))[0]?.utcOffsetUs).toBe(7);
  author.setUtcOffset(11, 9);
  expect(author.author('v', partAt(10, 1))[0]?.utcOffsetUs).toBe(7);
  expect(author.author('v', partAt(12, 0)).map(({ utcOffsetUs }) => utcOffsetUs)).toEqual([9, 9, 9]);
});
