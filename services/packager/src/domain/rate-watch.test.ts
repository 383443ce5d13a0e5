import { expect, test } from '@jest/globals';
import type { session } from '@millrace/contracts';
import { RateWatch } from './rate-watch.ts';

const RENDITION = { bandwidthBps: 1_000_000, averageBandwidthBps: 800_000 } as session.Rendition;

test('a segment above 125 % of the declared peak is told of, one that ends a period after a frame is not', () => {
  const watch = new RateWatch(2);
  expect(watch.add(RENDITION, 20_000, 0.033)).toEqual([]);
  expect(watch.add(RENDITION, 300_000, 2)).toEqual([]);
  expect(watch.add(RENDITION, 200_000, 1)).toMatchObject([
    { rate: 'peak', measuredBps: 1_600_000, isFirst: true },
  ]);
  expect(watch.add(RENDITION, 400_000, 2)).toMatchObject([{ rate: 'peak', isFirst: false }]);
});

test('an average is judged from 30 s on', () => {
  const watch = new RateWatch(2);
  const told = Array.from({ length: 20 }, () => watch.add(RENDITION, 230_000, 2));
  expect(told.findIndex((exceeded) => exceeded.length > 0)).toBe(14);
  expect(told[14]).toMatchObject([{ rate: 'average', measuredBps: 920_000 }]);
});
