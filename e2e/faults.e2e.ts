import { afterAll, describe, expect, test } from '@jest/globals';
import { observe } from './observer/observe.ts';
import type { Verdict } from './observer/verdict.ts';
import { stopAll } from './verbs/children.ts';
import { makeClip, USUAL } from './verbs/clip.ts';
import { expectFlawless, renditionOf } from './verbs/expect-flawless.ts';
import { isLong, mediaSeconds, SEG, SMALL_RUNG, TEST_DEADLINE_MS, TINY_RUNG } from './verbs/form.ts';
import {
  createChannel,
  ffmpegsOf,
  metric,
  residentBytes,
  startMillrace,
  waitForPlayable,
  withLogs,
} from './verbs/millrace.ts';
import type { Channel, Millrace } from './verbs/millrace.ts';
import { publish } from './verbs/publish.ts';
import { waitFor } from './verbs/wait-for.ts';

const SIZE = isLong ? '1280x720' : '426x240';
const LADDER = isLong ? 'default' : [SMALL_RUNG, TINY_RUNG];

afterAll(stopAll);

interface Running {
  readonly millrace: Millrace;
  readonly channel: Channel;
  /** Its ffmpeg. */
  readonly pid: number;
}

/** Starts a Millrace with one channel, so that there is one ffmpeg. */
async function startChannel(name: string, seconds: number): Promise<Running> {
  const millrace = await startMillrace({
    // A rung that was taken out may come back soon, so that it can be waited for.
    worker: { ffmpeg: { encoderThreads: 1 }, lateness: { restoreAfterSeconds: 4 } },
  });
  const channel = await createChannel(millrace, name, { ladder: LADDER, graceSeconds: 2 });
  publish(channel.publishUrl, await makeClip({ ...USUAL, size: SIZE, seconds }));
  const pid = await waitFor('an ffmpeg', () => ffmpegsOf(millrace)[0]);
  await waitForPlayable(channel);
  return { millrace, channel, pid };
}

async function watchToTheEnd(channel: Channel): Promise<Verdict> {
  return observe({
    ...{ hls: channel.hls, dash: channel.dash, segmentDuration: SEG, isContinuous: () => false },
    until: ({ isEnded }) => isEnded,
    deadlineMs: TEST_DEADLINE_MS / 2,
  });
}

describe('an ffmpeg that', () => {
  // Each has a Millrace of its own, side by side.
  test.concurrent.each([
    { name: 'is killed', signal: 'SIGKILL' },
    { name: 'hangs', signal: 'SIGSTOP' },
  ] as const)(
    '$name: nothing is missing, no discontinuity, every frame is there',
    async ({ signal }) => {
      const seconds = mediaSeconds(14);
      const { millrace, channel, pid } = await startChannel(`fault-${signal.toLowerCase()}`, seconds);
      await withLogs(
        () => millrace,
        async () => {
          const watched = watchToTheEnd(channel);
          process.kill(pid, signal);
          await waitFor('another ffmpeg in place of the old one', () => {
            const pids = ffmpegsOf(millrace);
            return pids.length > 0 && !pids.includes(pid);
          });
          const verdict = await watched;
          expectFlawless(verdict);
          const rung = isLong ? '360p' : SMALL_RUNG.name;
          expect(renditionOf(verdict, `${rung}/index`)).toMatchObject({
            frames: 30 * seconds,
            decodedFrames: 30 * seconds,
          });
          const audio = renditionOf(verdict, 'audio/index');
          expect(Math.abs(audio.mediaSeconds - seconds)).toBeLessThan(0.2);
        },
      );
    },
    TEST_DEADLINE_MS,
  );

  test.concurrent(
    'is slower than real time: the largest rung becomes a gap and comes back, the lowest and the audio never, memory stays',
    async () => {
      const { millrace, channel } = await startChannel('fault-slow', isLong ? 120 : 40);
      await withLogs(
        () => millrace,
        async () => {
          const watched = watchToTheEnd(channel);
          const before = residentBytes(millrace);
          const isShed = async (): Promise<boolean> =>
            (await metric(millrace, 'millrace_worker_shed_rungs')).some(({ value }) => value > 0);
          const stop = slowDown(() => ffmpegsOf(millrace), isLong ? 0.5 : 0.93);
          try {
            await waitFor('a rung is taken out', isShed, TEST_DEADLINE_MS / 3);
          } finally {
            stop();
          }
          await waitFor('the rung is back', async () => !(await isShed()), TEST_DEADLINE_MS / 3);
          const verdict = await watched;
          expect(verdict.violations).toEqual([]);
          expect(verdict).toMatchObject({
            isComplete: true,
            missingSegments: 0,
            discontinuities: 0,
            tickErrors: 0,
          });
          const [top, lowest] = isLong ? ['720p', '360p'] : [SMALL_RUNG.name, TINY_RUNG.name];
          const segments = renditionOf(verdict, `${top}/index`);
          expect(segments.gaps).toBeGreaterThan(0);
          expect(segments.segments).toBeGreaterThan(2);
          expect(renditionOf(verdict, `${lowest}/index`).gaps).toBe(0);
          expect(renditionOf(verdict, 'audio/index').gaps).toBe(0);
          expect(residentBytes(millrace) - before).toBeLessThan(150 * 1024 * 1024);
        },
      );
    },
    TEST_DEADLINE_MS,
  );
});

const SLICE_MS = 400;

/** Stops processes for a share of the time; the returned function lets them go on. */
function slowDown(pids: () => readonly number[], share: number): () => void {
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;
  const signal = (name: NodeJS.Signals): void => {
    for (const pid of pids()) {
      try {
        process.kill(pid, name);
      } catch {
        // It ended meanwhile.
      }
    }
  };
  const turn = (): void => {
    isStopped = !isStopped;
    signal(isStopped ? 'SIGSTOP' : 'SIGCONT');
    timer = setTimeout(turn, SLICE_MS * (isStopped ? share : 1 - share));
  };
  turn();
  return () => {
    clearTimeout(timer);
    signal('SIGCONT');
  };
}
