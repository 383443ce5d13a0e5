import { describe, expect, it } from '@jest/globals';
import {
  audioCadence,
  partTargetUs,
  raisePartDuration,
  targetDurationSeconds,
  videoCadence,
} from './part-target.ts';
import { rational } from './rational.ts';

const TWO = rational(2, 1);
const FPS_30 = videoCadence(rational(30, 1));
const FPS_2997 = videoCadence(rational(30_000, 1001));
const FPS_5994 = videoCadence(rational(60_000, 1001));
const FPS_25 = videoCadence(rational(25, 1));
const AAC = audioCadence(48_000);

describe('L-1: the part target is the longest part any rendition can have', () => {
  it.each([
    ['30 fps alone', [FPS_30], 500_000],
    ['24 AAC frames beside 30 fps', [FPS_30, AAC], 512_000],
    ['29.97 fps rounds up to 15 frames', [FPS_2997], 500_500],
    ['59.94 fps has uneven ticks, one more is allowed for', [FPS_5994], 500_512],
    ['a variable rate may exceed it by a frame of 1/15 s', [videoCadence(undefined)], 566_667],
  ])('%s', (_, cadences, expected) => {
    expect(partTargetUs(rational(1, 2), cadences)).toBe(expected);
  });
});

describe('L-1: the part duration is raised to a divisor of SEG whose shortest full part has 85 %', () => {
  it.each([
    ['0.5 s fits 30 fps and AAC', rational(1, 2), [FPS_30, AAC], rational(1, 2)],
    ['0.1 s is raised to 0.2 s for 25 fps and AAC', rational(1, 10), [FPS_25, AAC], rational(1, 5)],
    ['0.3 s is no divisor of 2 s', rational(3, 10), [FPS_30], rational(1, 3)],
    ['more than SEG is SEG', rational(5, 1), [FPS_30], TWO],
    ['a variable rate needs long parts', rational(1, 2), [videoCadence(undefined)], rational(1, 1)],
  ])('%s', (_, wanted, cadences, expected) => {
    expect(raisePartDuration(wanted, TWO, cadences)).toEqual(expected);
  });
});

describe('H-2: the target duration is the longest segment as players round it', () => {
  it.each([
    [rational(2, 1), 2],
    [rational(1001, 500), 2],
    [rational(5, 2), 3],
    [rational(1, 1), 1],
    [rational(249, 100), 3],
  ])('SEG %p', (segment, expected) => {
    expect(targetDurationSeconds(segment, [FPS_30, AAC])).toBe(expected);
  });
});
