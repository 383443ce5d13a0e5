import { describe, expect, test } from '@jest/globals';
import { endedStaySeconds, removedStaySeconds, windowSegmentCount } from './live-window.ts';

describe('the live window', () => {
  test.each([
    ['as many as are wanted', 60, 2, 2, 60],
    ['six at least (AAS 8.11)', 3, 2, 2, 6],
    ['three target durations at least (H-8)', 6, 1, 4, 12],
    ['three target durations at least, of segments that do not divide them', 6, 1001 / 1000, 3, 9],
  ])('has %s', (_, wanted, segmentSeconds, targetDurationSeconds, expected) => {
    expect(windowSegmentCount(wanted, { segmentSeconds, targetDurationSeconds })).toBe(expected);
  });

  test('keeps what left it for its duration and that of the longest playlist (H-8)', () => {
    expect(removedStaySeconds(2, 12)).toBe(14);
  });

  test('is kept after the end until its last segment could have left it and stayed', () => {
    expect(endedStaySeconds(2, 12)).toBe(26);
  });
});
