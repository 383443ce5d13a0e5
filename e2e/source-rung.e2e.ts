import { afterAll, describe, expect, test } from '@jest/globals';
import { observe } from './observer/observe.ts';
import type { Verdict } from './observer/verdict.ts';
import { stopAll } from './verbs/children.ts';
import { makeClip, USUAL } from './verbs/clip.ts';
import type { ClipOptions } from './verbs/clip.ts';
import { expectFlawless, renditionOf } from './verbs/expect-flawless.ts';
import { isLong, mediaSeconds, SEG, SMALL_RUNG, TEST_DEADLINE_MS } from './verbs/form.ts';
import {
  createChannel,
  ffmpegsOf,
  sessionOf,
  startMillrace,
  waitForPlayable,
  withLogs,
} from './verbs/millrace.ts';
import type { Channel, Millrace } from './verbs/millrace.ts';
import { publish, publishInTime } from './verbs/publish.ts';

const SIZE = isLong ? '1280x720' : '426x240';
const SECONDS = mediaSeconds(10);
const source: ClipOptions = { ...USUAL, size: SIZE, seconds: SECONDS };

afterAll(stopAll);

async function publishToTheEnd(
  millrace: Millrace,
  name: string,
  settings: { readonly ladder: readonly unknown[]; readonly graceSeconds?: number },
  options: ClipOptions,
): Promise<{
  readonly verdict: Verdict;
  readonly channel: Channel;
  readonly ffmpegs: number;
  readonly frames: number;
}> {
  const channel = await createChannel(millrace, name, { graceSeconds: 2, ...settings });
  const clip = await makeClip(options);
  const isPausing = options.hole !== undefined && options.audio === undefined;
  const publisher = (isPausing ? publishInTime : publish)(channel.publishUrl, clip);
  await waitForPlayable(channel);
  const ffmpegs = ffmpegsOf(millrace).length;
  const verdict = await observe({
    ...{ hls: channel.hls, dash: channel.dash, segmentDuration: SEG, isContinuous: publisher.isRunning },
    until: ({ isEnded }) => isEnded,
    deadlineMs: TEST_DEADLINE_MS / 2,
  });
  return { verdict, channel, ffmpegs, frames: clip.frames };
}

describe('the `source` rung', () => {
  // Each has a Millrace of its own: one of them must have no ffmpeg.
  test.concurrent(
    'alone: the frames of the encoder are passed through, and no ffmpeg runs',
    async () => {
      const millrace = await startMillrace();
      await withLogs(
        () => millrace,
        async () => {
          const { verdict, channel, ffmpegs, frames } = await publishToTheEnd(
            millrace,
            'source-alone',
            { ladder: ['source'] },
            source,
          );
          expect(ffmpegs).toBe(0);
          expectFlawless(verdict);
          expect(renditionOf(verdict, 'source/index')).toMatchObject({ frames, decodedFrames: frames });
          const session = await sessionOf(millrace, channel);
          expect(session?.renditions.find(({ id }) => id === 'source')?.isPassthrough).toBe(true);
        },
      );
    },
    TEST_DEADLINE_MS,
  );

  test.concurrent(
    'beside others: listed when the first boundary has an IDR, a gap where a later one has none, left out otherwise',
    async () => {
      const millrace = await startMillrace();
      const ladder = ['source', SMALL_RUNG];
      // The boundary at 6 s has no IDR.
      const keyframeTimes = Array.from({ length: SECONDS / 2 }, (_, k) => (k === 3 ? 6.5 : 2 * k));
      await withLogs(
        () => millrace,
        async () => {
          const [fits, misses, never] = await Promise.all([
            publishToTheEnd(millrace, 'source-fits', { ladder }, source),
            publishToTheEnd(millrace, 'source-misses', { ladder }, { ...source, keyframeTimes }),
            publishToTheEnd(millrace, 'source-never', { ladder }, { ...source, gopSeconds: 3 }),
          ]);
          expectFlawless(fits.verdict);
          expect(renditionOf(fits.verdict, 'source/index').frames).toBe(fits.frames);

          // K is a gap in both containers, and only there.
          expect(misses.verdict.violations).toEqual([]);
          expect(renditionOf(misses.verdict, 'source/index')).toMatchObject({ gaps: 1, missingSegments: 0 });
          expect(renditionOf(misses.verdict, `${SMALL_RUNG.name}/index`)).toMatchObject({
            gaps: 0,
            segments: SECONDS / 2,
          });
          expect(millrace.logs()).toMatch(/keyframe interval/i);

          expectFlawless(never.verdict);
          expect(never.verdict.renditions.map(({ label }) => label).sort()).toEqual([
            ...[`${SMALL_RUNG.name}/index`, `${SMALL_RUNG.name}/ts`, 'audio/index'],
          ]);
        },
      );
    },
    TEST_DEADLINE_MS,
  );

  test.concurrent.each([
    ['drops frames', { hole: { from: 4.8, to: 6.3 } }],
    // Video alone: of two tracks ffmpeg keeps the last message back until the other track goes on.
    ['pauses', { hole: { from: 4.5, to: 6.5 }, audio: undefined }],
  ] as const)(
    'of an encoder that %s across a segment boundary: gaps where the hole is, and no other rung lacks anything',
    async (what, input) => {
      const millrace = await startMillrace();
      await withLogs(
        () => millrace,
        async () => {
          const { verdict } = await publishToTheEnd(
            millrace,
            `source-${what.replaceAll(' ', '-')}`,
            // A pause is one up to the grace time.
            { ladder: ['source', SMALL_RUNG], graceSeconds: 4 },
            // With B-frames x264 decodes across the hole, so that the decode times that are sent have none.
            { ...source, bFrames: 0, seconds: SECONDS + 2, ...input },
          );
          expect(verdict.violations).toEqual([]);
          expect(verdict.discontinuities).toBe(0);
          // Nothing was too long for the packager in the first place.
          expect(millrace.logs()).not.toMatch(/refuses a part/);
          // The hole begins in one segment and ends in the next.
          const passedThrough = renditionOf(verdict, 'source/index');
          expect(passedThrough).toMatchObject({ gaps: 2, missingSegments: 0 });
          const segments = passedThrough.segments + 2;
          expect(segments).toBeGreaterThanOrEqual(SECONDS / 2);
          const others = verdict.renditions.filter(({ label }) => !label.startsWith('source/'));
          expect(others.length).toBeGreaterThanOrEqual(2);
          for (const { label, ...seen } of others)
            expect({ label, ...seen }).toMatchObject({ gaps: 0, missingSegments: 0, segments });
        },
      );
    },
    TEST_DEADLINE_MS,
  );
});
