import { describe, expect, test } from '@jest/globals';
import { LadderShedding } from './ladder-shedding.ts';

const rungs = [
  { renditionId: '360p', area: 1 },
  { renditionId: '720p', area: 3 },
  { renditionId: '480p', area: 2 },
];
const thresholds = { shedAboveMs: 2000, restoreBelowMs: 400, restoreAfterMs: 30_000, settleMs: 4000 };

function shedding() {
  return new LadderShedding(rungs, thresholds);
}

describe('falling behind', () => {
  test('the largest frame goes first, each change is given time, the lowest rung stays', () => {
    const ladder = shedding();
    expect(ladder.observe(0, 1999)).toBeUndefined();
    expect(ladder.observe(1, 2001)).toEqual({ renditionId: '720p', isShed: true });
    expect(ladder.observe(3000, 5000)).toBeUndefined();
    expect(ladder.observe(4001, 6000)).toEqual({ renditionId: '480p', isShed: true });
    expect(ladder.observe(9000, 9000)).toBeUndefined();
    expect(ladder.shed).toEqual(['720p', '480p']);
  });

  test('no further rung goes while the output catches up', () => {
    const ladder = shedding();
    ladder.observe(0, 6000);
    expect(ladder.observe(4000, 5000)).toBeUndefined();
    expect(ladder.observe(8000, 4000)).toBeUndefined();
    expect(ladder.observe(12_000, 4500)).toEqual({ renditionId: '480p', isShed: true });
  });
});

describe('coming back', () => {
  test('the rung that went last comes back first, after 30 s below the threshold without a break', () => {
    const ladder = shedding();
    ladder.observe(0, 3000);
    ladder.observe(4000, 3500);
    ladder.observe(10_000, 0);
    ladder.observe(30_000, 500);
    ladder.observe(31_000, 0);
    expect(ladder.observe(60_999, 0)).toBeUndefined();
    expect(ladder.observe(61_000, 0)).toEqual({ renditionId: '480p', isShed: false });
    expect(ladder.observe(61_100, 0)).toBeUndefined();
    expect(ladder.observe(91_100, 0)).toEqual({ renditionId: '720p', isShed: false });
  });

  test('each return that fails doubles the wait, one that lasts resets it', () => {
    const ladder = shedding();
    let nowMs = 0;
    const waits: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      expect(ladder.observe((nowMs += 10_000), 3000)).toMatchObject({ isShed: true });
      const lowSinceMs = (nowMs += 1000);
      while (ladder.observe(nowMs, 0) === undefined) nowMs += 1000;
      waits.push(nowMs - lowSinceMs);
    }
    expect(waits).toEqual([30_000, 60_000, 120_000]);
    ladder.observe((nowMs += 120_000), 0);
    ladder.observe((nowMs += 1000), 3000);
    const lowSinceMs = (nowMs += 1000);
    while (ladder.observe(nowMs, 0) === undefined) nowMs += 1000;
    expect(nowMs - lowSinceMs).toBe(30_000);
  });
});

test('a ladder of one rung is never cut', () => {
  const ladder = new LadderShedding([{ renditionId: '360p', area: 1 }], thresholds);
  expect(ladder.observe(0, 60_000)).toBeUndefined();
});
