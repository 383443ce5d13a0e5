import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { observe } from './observe.ts';
import type { ObserveOptions } from './observe.ts';
import { FIRST_K, FRAME_RATE, makeFixtureMedia, PERIOD_SEGMENTS } from './testing/fixture-media.ts';
import { FixtureOrigin } from './testing/fixture-origin.ts';
import type { Mutation } from './testing/fixture-origin.ts';
import { DASH_MUTATIONS, HLS_MUTATIONS } from './testing/mutations.ts';
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
      expect(rendition).toMatchObject({
        segments,
        missingSegments: 0,
        discontinuities: 1,
        tickErrors: 0,
        isEnded: true,
      });
    }
    for (const rendition of verdict.renditions.filter(({ label }) => !label.startsWith('audio'))) {
      expect(rendition).toMatchObject({
        frames: segments * FRAME_RATE,
        decodedFrames: segments * FRAME_RATE,
      });
    }
    expect(verdict.mpds.map(({ periods, isStatic }) => [periods, isStatic])).toEqual([
      [2, true],
      [2, true],
    ]);
    expect(verdict.mpds.every(({ segments: seen }) => seen > 20)).toBe(true);
  }, 60_000);
});

describe('a presentation that is broken on purpose', () => {
  test.each(HLS_MUTATIONS)(
    '$rule notices $name',
    async ({ rule, mutation, isDecoding }) => {
      const verdict = await watch(mutation, { isDecoding: isDecoding ?? false, dash: [] });
      expect(verdict.violations.map((violation) => violation.rule)).toContain(rule);
    },
    60_000,
  );

  test.each(DASH_MUTATIONS)(
    '$rule notices in an MPD $name',
    async ({ rule, mutation }) => {
      const verdict = await watch(mutation, { hls: [] });
      expect(verdict.violations.map((violation) => violation.rule)).toContain(rule);
    },
    60_000,
  );

  test('a gap is counted, and is no violation', async () => {
    const verdict = await watch(
      (object, path) => {
        if (/^media\/\w+\/(?:index|ts)\.m3u8$/.test(path)) {
          const gap = new RegExp(`(#EXTINF.*\n${FIRST_K + 4})`);
          object.body = Buffer.from(object.body.toString('utf8').replace(gap, '#EXT-X-GAP\n$1'));
        } else if (path.includes(`/${FIRST_K + 4}.`)) object.status = 404;
      },
      { dash: [], isDecoding: true },
    );
    expect(verdict.violations).toEqual([]);
    expect(verdict).toMatchObject({ gaps: 5, missingSegments: 0, isComplete: true });
  }, 60_000);

  test('a gap that is not as long as what is missing is noticed', async () => {
    const verdict = await watch(
      (object, path) => {
        if (!/^media\/high\/index\.m3u8$/.test(path)) return;
        const gap = new RegExp(`#EXTINF.*\\n${FIRST_K + 4}`);
        object.body = Buffer.from(
          object.body.toString('utf8').replace(gap, `#EXT-X-GAP\n#EXTINF:0.900000,\n${FIRST_K + 4}`),
        );
      },
      { dash: [] },
    );
    expect(verdict.violations.map((violation) => violation.rule)).toContain('C-1');
  }, 60_000);

  test('a segment that is not there is counted as missing', async () => {
    const verdict = await watch((object, path) => {
      if (path === `media/low/${FIRST_K + 4}.m4s`) object.status = 404;
    });
    expect(verdict.missingSegments).toBeGreaterThan(0);
    expect(verdict.renditions.find(({ label }) => label === 'low/index')?.missingSegments).toBe(1);
  }, 60_000);

  test('the deadline ends an observation of nothing, and leaves nothing on disk', async () => {
    const before = temporaryDirectories();
    const verdict = await watch(undefined, { hls: [origin.url('nothing.m3u8')], dash: [], isDecoding: true });
    expect(verdict).toMatchObject({ isComplete: false, segments: 0, renditions: [] });
    expect(temporaryDirectories()).toEqual(before);
  }, 60_000);
});

function temporaryDirectories(): readonly string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('millrace-observer-'));
}
