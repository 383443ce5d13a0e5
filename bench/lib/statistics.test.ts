import { describe, expect, test } from '@jest/globals';
import { fitLine, formatSummary, percentile, summarize } from './statistics.ts';

describe('statistics', () => {
  test('the median of an even count lies between the two in the middle', () => {
    expect(summarize([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4, count: 4 });
  });

  test('the median of an odd count is the one in the middle', () => {
    expect(summarize([9, 1, 5])).toEqual({ median: 5, min: 1, max: 9, count: 3 });
  });

  test.each([
    [0, 1],
    [0.5, 2],
    [0.75, 3],
    [0.99, 4],
    [1, 4],
  ])('the percentile %p of 1 to 4 is %p', (share, expected) => {
    expect(percentile([3, 1, 4, 2], share)).toBe(expected);
  });

  test('no values have no summary', () => {
    expect(() => summarize([])).toThrow('no values');
    expect(() => percentile([], 0.5)).toThrow('no values');
  });

  test('a summary reads as median, range and count', () => {
    expect(formatSummary(summarize([1, 2, 4]), 1)).toBe('2.0 (1.0 to 4.0, n = 3)');
  });

  test('points on a line give that line', () => {
    expect(
      fitLine([
        [0, 1],
        [2, 5],
        [1, 3],
      ]),
    ).toEqual({ slope: 2, intercept: 1 });
  });

  test('noise that is even on both sides leaves the slope', () => {
    expect(
      fitLine([
        [0, 1],
        [0, -1],
        [10, 1],
        [10, -1],
      ]).slope,
    ).toBe(0);
  });

  test('one point, or points above each other, have no line', () => {
    expect(() => fitLine([[1, 1]])).toThrow('two points');
    expect(() =>
      fitLine([
        [1, 1],
        [1, 2],
      ]),
    ).toThrow('two different x');
  });
});
