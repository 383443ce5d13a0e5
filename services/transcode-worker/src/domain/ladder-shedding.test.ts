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

/** Lets time pass at a lateness until something changes; the time it took, and what changed. */
function passUntilChange(ladder: LadderShedding, fromMs: number, lateMs: number) {
  for (let nowMs = fromMs; nowMs < fromMs + 10_000_000; nowMs += 1000) {
    const decision = ladder.observe(nowMs, lateMs);
    if (decision !== undefined) return { decision, tookMs: nowMs - fromMs, nowMs };
  }
  throw new Error('nothing changed');
}

describe('falling behind', () => {
  test('the largest frame goes first, each change is given time, the lowest rung stays', () => {
    const ladder = shedding();
    expect(ladder.observe(0, 2000)).toBeUndefined();
    expect(passUntilChange(ladder, 1000, 2001)).toMatchObject({
      decision: { renditionId: '720p', isShed: true },
      tookMs: 4000,
    });
    expect(passUntilChange(ladder, 6000, 6000)).toMatchObject({
      decision: { renditionId: '480p', isShed: true },
      tookMs: 3000,
    });
    for (let nowMs = 10_000; nowMs < 60_000; nowMs += 1000)
      expect(ladder.observe(nowMs, nowMs)).toBeUndefined();
    expect(ladder.shed).toEqual(['720p', '480p']);
  });

  test('no rung goes while the output catches up', () => {
    const ladder = shedding();
    for (let nowMs = 0; nowMs < 20_000; nowMs += 1000)
      expect(ladder.observe(nowMs, 30_000 - nowMs)).toBeUndefined();
    expect(passUntilChange(ladder, 20_000, 15_000).decision).toEqual({ renditionId: '720p', isShed: true });
  });

  test('a burst that is worked off in time costs nothing', () => {
    const ladder = shedding();
    expect(ladder.observe(0, 9000)).toBeUndefined();
    expect(ladder.observe(1000, 1000)).toBeUndefined();
    expect(ladder.observe(5000, 9000)).toBeUndefined();
  });
});

describe('coming back', () => {
  test('the rung that went last comes back first, after 30 s below the threshold without a break', () => {
    const ladder = shedding();
    passUntilChange(ladder, 0, 3000);
    passUntilChange(ladder, 5000, 3500);
    ladder.observe(10_000, 0);
    ladder.observe(30_000, 500);
    expect(passUntilChange(ladder, 31_000, 0)).toMatchObject({
      decision: { renditionId: '480p', isShed: false },
      tookMs: 30_000,
    });
    expect(passUntilChange(ladder, 62_000, 399)).toMatchObject({
      decision: { renditionId: '720p', isShed: false },
      tookMs: 30_000,
    });
  });

  test('each return that fails doubles the wait, one that lasts resets it', () => {
    const ladder = shedding();
    let nowMs = 0;
    const waits: number[] = [];
    const fail = (): void => {
      nowMs = passUntilChange(ladder, nowMs + 1000, 3000).nowMs;
      const restored = passUntilChange(ladder, nowMs + 1000, 0);
      waits.push(restored.tookMs);
      nowMs = restored.nowMs;
    };
    for (let round = 0; round < 3; round += 1) fail();
    expect(waits).toEqual([30_000, 60_000, 120_000]);
    nowMs += 120_000;
    ladder.observe(nowMs, 0);
    fail();
    expect(waits.at(-1)).toBe(30_000);
  });
});

test('a ladder of one rung is never cut', () => {
  const ladder = new LadderShedding([{ renditionId: '360p', area: 1 }], thresholds);
  expect(ladder.observe(0, 60_000)).toBeUndefined();
});
