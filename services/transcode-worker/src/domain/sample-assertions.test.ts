import { describe, expect, test } from '@jest/globals';
import { audioRendition, videoRendition } from '../testing/renditions.ts';
import { PartGrid } from './part-grid.ts';
import { SampleAssertions } from './sample-assertions.ts';

const grid = new PartGrid({ numerator: 2, denominator: 1 }, { numerator: 1, denominator: 1 });
const first = { k: 50, part: 0 };
const start = 50 * 180_000;

function check(
  ...samples: readonly (readonly [dts: number, duration: number, isSync?: boolean])[]
): () => void {
  return () => {
    const assertions = new SampleAssertions(grid, videoRendition(), { first, firstTicks: start });
    for (const [dts, duration, isSync = false] of samples)
      assertions.check({ dts, duration, isSync, compositionOffset: 0, data: new Uint8Array(0) });
  };
}

describe('video', () => {
  test('an IDR first and on each boundary is right', () => {
    expect(
      check([start, 90_000, true], [start + 90_000, 90_000], [start + 180_000, 90_000, true]),
    ).not.toThrow();
  });

  test.each([
    ['another first decode time', check([start + 3600, 3600, true])],
    ['a first frame that is no IDR', check([start, 3600])],
    ['an IDR off the grid', check([start, 90_000, true], [start + 90_000, 3600, true])],
    ['a boundary without an IDR', check([start, 180_000, true], [start + 180_000, 3600])],
    ['a hole', check([start, 3600, true], [start + 7200, 3600])],
    ['a creeping decode time', check([start, 3600, true], [start + 1, 3600])],
    ['a duration of nothing', check([start, 0, true])],
  ])('%s is wrong', (_, run) => {
    expect(run).toThrow('180p');
  });
});

describe('audio', () => {
  const sample = { duration: 1024, isSync: true, compositionOffset: 0, data: new Uint8Array(0) };
  const begin = (): SampleAssertions =>
    new SampleAssertions(grid, audioRendition(), { first, firstTicks: undefined });

  test('off the grid of 1024 samples is wrong', () => {
    const assertions = begin();
    assertions.check({ ...sample, dts: 1024 * 4000 });
    expect(() => assertions.check({ ...sample, dts: 1024 * 4001 + 1 })).toThrow('audio');
    expect(() => begin().check({ ...sample, dts: 1000 })).toThrow('1024');
  });

  test('that begins behind the start of its first part is wrong', () => {
    const frame = Math.floor((50 * 96_000) / 1024);
    expect(() => begin().check({ ...sample, dts: 1024 * frame })).not.toThrow();
    expect(() => begin().check({ ...sample, dts: 1024 * (frame + 1) })).toThrow('decode time');
  });
});
