import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, test } from '@jest/globals';
import { observe } from './observer/observe.ts';
import type { Progress } from './observer/observe.ts';
import type { Verdict } from './observer/verdict.ts';
import { stopAll } from './verbs/children.ts';
import { makeClip, USUAL } from './verbs/clip.ts';
import type { ClipOptions } from './verbs/clip.ts';
import { expectFlawless } from './verbs/expect-flawless.ts';
import { isLong, lazily, SEG, SMALL_RUNG, TEST_DEADLINE_MS } from './verbs/form.ts';
import { createChannel, sessionOf, startMillrace, waitForPlayable, withLogs } from './verbs/millrace.ts';
import type { Channel, Millrace } from './verbs/millrace.ts';
import { publish } from './verbs/publish.ts';
import { waitFor } from './verbs/wait-for.ts';

const millrace = lazily(() => startMillrace());
const SIZE = isLong ? '1280x720' : '426x240';
const GRACE_SECONDS = 8;
/** How long an encoder is away. */
const AWAY_MS = 3000;
/** Segments before and after. */
const SEGMENTS = isLong ? 15 : 3;

afterAll(stopAll);

const usual: ClipOptions = { ...USUAL, size: SIZE, seconds: 30 };

async function openChannel(name: string): Promise<{ readonly system: Millrace; readonly channel: Channel }> {
  const system = await millrace();
  const channel = await createChannel(system, name, { ladder: [SMALL_RUNG], graceSeconds: GRACE_SECONDS });
  return { system, channel };
}

/** Observes a channel to its end, and lets the test act on what is seen meanwhile. */
function watchToTheEnd(channel: Channel): {
  readonly verdict: Promise<Verdict>;
  readonly segments: (count: number) => Promise<Progress>;
} {
  let latest: Progress | undefined;
  const verdict = observe({
    ...{ hls: channel.hls, dash: channel.dash, segmentDuration: SEG, isContinuous: () => false },
    until: (progress) => {
      latest = progress;
      return progress.isEnded;
    },
    deadlineMs: TEST_DEADLINE_MS / 2,
  });
  const segments = (count: number): Promise<Progress> =>
    waitFor(
      `${count} segments of ${channel.name}`,
      () => (latest !== undefined && latest.segments >= count ? latest : undefined),
      TEST_DEADLINE_MS / 3,
    );
  return { verdict, segments };
}

describe('an encoder that comes back after 3 s', () => {
  const RETURNS: readonly { readonly name: string; readonly clip: ClipOptions }[] = [
    { name: 'as it was', clip: usual },
    { name: 'with another resolution', clip: { ...usual, size: isLong ? '640x360' : '320x180' } },
    { name: 'without audio', clip: { ...usual, audio: undefined } },
  ];

  test.concurrent.each(RETURNS)(
    '$name continues the session: same URLs, one discontinuity, one new Period, then an end',
    async ({ name, clip: options }) => {
      const { system, channel } = await openChannel(`return-${name.replaceAll(' ', '-')}`);
      await withLogs(
        () => system,
        async () => {
          const first = publish(channel.publishUrl, await makeClip(usual), { isLooping: true });
          await waitForPlayable(channel);
          const { verdict: watched, segments } = watchToTheEnd(channel);
          const before = await segments(SEGMENTS);
          const session = await sessionOf(system, channel);
          await first.kill();
          await delay(AWAY_MS);
          const second = publish(channel.publishUrl, await makeClip(options), { isLooping: true });
          await segments(before.segments + SEGMENTS + 1);
          expect((await sessionOf(system, channel))?.id).toBe(session?.id);
          await second.kill();
          const verdict = await watched;
          expectFlawless(verdict, { discontinuities: 1 });
          for (const rendition of verdict.renditions) {
            expect(rendition).toMatchObject({ discontinuities: 1, isEnded: true });
          }
          expect(verdict.mpds).toHaveLength(2);
          for (const mpd of verdict.mpds) expect(mpd).toMatchObject({ periods: 2, isStatic: true });
        },
      );
    },
    TEST_DEADLINE_MS,
  );
});

describe('two encoders', () => {
  test.concurrent(
    'takeover: the second one has the channel at once, with one discontinuity, and the first is told to go',
    async () => {
      const { system, channel } = await openChannel('takeover');
      await withLogs(
        () => system,
        async () => {
          const first = publish(channel.publishUrl, await makeClip(usual), { isLooping: true });
          await waitForPlayable(channel);
          const { verdict: watched, segments } = watchToTheEnd(channel);
          const before = await segments(SEGMENTS);
          const second = publish(channel.publishUrl, await makeClip({ ...usual, bFrames: 0 }), {
            isLooping: true,
          });
          expect((await first.ended).code).not.toBe(0);
          await segments(before.segments + SEGMENTS);
          expect(second.isRunning()).toBe(true);
          await second.kill();
          const verdict = await watched;
          expectFlawless(verdict, { discontinuities: 1 });
          for (const mpd of verdict.mpds) expect(mpd).toMatchObject({ periods: 2, isStatic: true });
        },
      );
    },
    TEST_DEADLINE_MS,
  );

  test.concurrent(
    'fighting: each reconnects whenever it is closed, and the channel does not swing between them',
    async () => {
      const { system, channel } = await openChannel('fight');
      await withLogs(
        () => system,
        async () => {
          const clip = await makeClip(usual);
          const fight = new AbortController();
          let attempts = 0;
          const keepPublishing = async (encoder: string): Promise<void> => {
            while (!fight.signal.aborted) {
              attempts += 1;
              const extraArguments = ['-rtmp_flashver', encoder];
              const publisher = publish(channel.publishUrl, clip, { isLooping: true, extraArguments });
              fight.signal.addEventListener('abort', () => void publisher.kill(), { once: true });
              await publisher.ended;
              // As an encoder does before it tries again.
              await delay(500);
            }
          };
          const first = keepPublishing('first');
          await waitForPlayable(channel);
          const { verdict: watched, segments } = watchToTheEnd(channel);
          const before = await segments(2);
          const second = keepPublishing('second');
          await segments(before.segments + (isLong ? 45 : 6));
          fight.abort();
          await Promise.all([first, second]);
          const verdict = await watched;
          expect(attempts).toBeGreaterThan(4);
          expectFlawless(verdict, { discontinuities: 1 });
        },
      );
    },
    TEST_DEADLINE_MS,
  );
});
