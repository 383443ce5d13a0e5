import { expect, test } from '@jest/globals';
import { firstFrameAtOrAfter } from './first-frame.ts';

const rate = (numerator: number, denominator = 1) => ({ numerator, denominator });
const START = 153_000_000_180_000;

test.each([
  ['a time before the period is the first frame', -45, rate(25), 0],
  ['a time on a frame is that frame', 7200, rate(25), 7200],
  ['a time behind a frame is the next one', 7201, rate(25), 10_800],
  ['59.94 fps lands on ticks rounded as ffmpeg rounds them', 1, rate(60_000, 1001), 1502],
  ['the frame after that too', 1503, rate(60_000, 1001), 3003],
])('%s', (_, after, frameRate, expected) => {
  expect(firstFrameAtOrAfter(START + after, START, frameRate) - START).toBe(expected);
});

test('it is exact after a day', () => {
  const after = START + 86_400 * 90_000;
  const first = firstFrameAtOrAfter(after, START, rate(30_000, 1001));
  expect((first - START) % 3003).toBe(0);
  expect(first).toBeGreaterThanOrEqual(after);
  expect(first - 3003).toBeLessThan(after);
});
