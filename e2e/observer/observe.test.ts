import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { observe } from './observe.ts';
import type { ObserveOptions } from './observe.ts';
import { FRAME_RATE, makeFixtureMedia, PERIOD_SEGMENTS } from './testing/fixture-media.ts';
import { FixtureOrigin } from './testing/fixture-origin.ts';
import type { Mutation } from './testing/fixture-origin.ts';
import { formatVerdict } from './verdict.ts';
import type { Verdict } from './verdict.ts';

let origin: FixtureOrigin;

beforeAll(async () => {
  origin = new FixtureOrigin(makeFixtureMedia());
  await origin.start();
}, 60_000);

afterAll(async () => {
  await origin.stop();
});

async function watch(mutation?: Mutation, options: Partial<ObserveOptions> = {}): Promise<Verdict> {
  origin.rewind(mutation);
  return observe({
    hls: [origin.url('index.m3u8'), origin.url('ts.m3u8')],
    dash: [origin.url('timeline.mpd'), origin.url('number.mpd')],
    until: ({ isEnded }) => isEnded,
    deadlineMs: 20_000,
    lookMs: 500,
    segmentDuration: { numerator: 1, denominator: 1 },
    timing: origin.timing,
    isDecoding: false,
    ...options,
  });
}

describe('a presentation that ffmpeg made', () => {
  test('has nothing wrong: every segment is seen, decoded and counted', async () => {
    const verdict = await watch(undefined, { isDecoding: true });
    expect(verdict.violations).toEqual([]);
    const segments = PERIOD_SEGMENTS[0] + PERIOD_SEGMENTS[1];
    expect(verdict.isComplete).toBe(true);
    expect(verdict.violationCount).toBe(0);
    expect(verdict.renditions).toHaveLength(5);
    for (const rendition of verdict.renditions) {
      expect(rendition).toMatchObject({ segments, missingSegments: 0, discontinuities: 1, tickErrors: 0, isEnded: true });
    }
    for (const rendition of verdict.renditions.filter(({ label }) => !label.startsWith('audio'))) {
      expect(rendition).toMatchObject({ frames: segments * FRAME_RATE, decodedFrames: segments * FRAME_RATE });
    }
    expect(verdict.mpds.map(({ periods, isStatic }) => [periods, isStatic])).toEqual([
      [2, true],
      [2, true],
    ]);
    expect(verdict.mpds.every(({ segments: seen }) => seen > 20)).toBe(true);
  }, 60_000);
});
