import { afterAll, expect, test } from '@jest/globals';
import { observe } from './observer/observe.ts';
import { stopAll } from './verbs/children.ts';
import { makeClip } from './verbs/clip.ts';
import { expectFlawless, renditionOf } from './verbs/expect-flawless.ts';
import { mediaSeconds, SEG, TEST_DEADLINE_MS } from './verbs/form.ts';
import { createChannel, sessionOf, startMillrace, waitForPlayable, withLogs } from './verbs/millrace.ts';
import { publish } from './verbs/publish.ts';

afterAll(stopAll);

test(
  'the whole ladder: every frame of a 720p source with B-frames comes out of three rungs, aligned to the tick',
  async () => {
    const millrace = await startMillrace();
    await withLogs(
      () => millrace,
      async () => {
        const channel = await createChannel(millrace, 'ladder', { graceSeconds: 2 });
        const clip = await makeClip({
          ...{ size: '1280x720', bFrames: 2, seconds: mediaSeconds(10), bitrateBps: 2_000_000 },
          audio: { rate: 48_000, channels: 2 },
        });
        const publisher = publish(channel.publishUrl, clip);
        await waitForPlayable(channel);
        const verdict = await observe({
          ...{ hls: channel.hls, dash: channel.dash, segmentDuration: SEG },
          until: ({ isEnded }) => isEnded,
          isContinuous: publisher.isRunning,
          deadlineMs: TEST_DEADLINE_MS / 2,
        });
        expect(await publisher.ended).toMatchObject({ code: 0 });
        expectFlawless(verdict);
        expect(verdict.renditions.map(({ label }) => label).sort()).toEqual([
          ...['360p/index', '360p/ts', '480p/index', '480p/ts', '720p/index', '720p/ts', 'audio/index'],
        ]);
        expect(clip.frames).toBe(30 * clip.seconds);
        for (const rung of ['720p', '480p', '360p']) {
          for (const label of [`${rung}/index`, `${rung}/ts`]) {
            expect(renditionOf(verdict, label)).toMatchObject({
              frames: clip.frames,
              decodedFrames: clip.frames,
            });
          }
          expect(renditionOf(verdict, `${rung}/index`).framesPerSegment).toEqual(
            Array.from({ length: clip.seconds / 2 }, () => 60),
          );
        }
        expect(verdict.mpds.map(({ isStatic, periods }) => [isStatic, periods])).toEqual([
          [true, 1],
          [true, 1],
        ]);
        expect((await sessionOf(millrace, channel))?.state).toBe('ended');
      },
    );
  },
  TEST_DEADLINE_MS,
);
