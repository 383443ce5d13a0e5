import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
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
let millrace: Millrace;

beforeAll(async () => {
  // A rung that was taken out may come back soon, so that it can be waited for.
  millrace = await startMillrace({
    worker: { ffmpeg: { encoderThreads: 1 }, lateness: { restoreAfterSeconds: 4 } },
  });
}, TEST_DEADLINE_MS);

afterAll(stopAll);

interface Running {
  readonly channel: Channel;
  /** The ffmpeg of this channel. */
  readonly pid: number;
  readonly ended: Promise<unknown>;
}

/** Starts a channel and finds out which ffmpeg is its own. */
async function startChannel(name: string, seconds: number): Promise<Running> {
  const others = new Set(ffmpegsOf(millrace));
  const channel = await createChannel(millrace, name, { ladder: LADDER, graceSeconds: 2 });
  const clip = await makeClip({ ...USUAL, size: SIZE, seconds });
  const { ended } = publish(channel.publishUrl, clip);
  const pid = await waitFor('the ffmpeg of the channel', () =>
    ffmpegsOf(millrace).find((candidate) => !others.has(candidate)),
  );
  await waitForPlayable(channel);
  return { channel, pid, ended };
}

async function watchToTheEnd(channel: Channel): Promise<Verdict> {
  return observe({
    ...{ hls: channel.hls, dash: channel.dash, segmentDuration: SEG, isContinuous: false },
    until: ({ isEnded }) => isEnded,
    deadlineMs: TEST_DEADLINE_MS / 2,
  });
}

describe('an ffmpeg that', () => {
  test.each([
    { name: 'is killed', signal: 'SIGKILL' },
    { name: 'hangs', signal: 'SIGSTOP' },
  ] as const)(
    '$name: nothing is missing, no discontinuity, every frame is there',
    async ({ signal }) =>
      withLogs(
        () => millrace,
        async () => {
          const seconds = mediaSeconds(14);
          const { channel, pid } = await startChannel(`fault-${signal.toLowerCase()}`, seconds);
          const watched = watchToTheEnd(channel);
          process.kill(pid, signal);
          const next = await waitFor('another ffmpeg', () =>
            ffmpegsOf(millrace).find((candidate) => candidate !== pid),
          );
          expect(next).not.toBe(pid);
          await waitFor('the old ffmpeg is gone', () => !ffmpegsOf(millrace).includes(pid));
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
      ),
    TEST_DEADLINE_MS,
  );

  test(
    'is slower than real time: the largest rung becomes a gap and comes back, the lowest and the audio never, memory stays',
    async () =>
      withLogs(
        () => millrace,
        async () => {
          const { channel } = await startChannel('fault-slow', isLong ? 120 : 40);
          const watched = watchToTheEnd(channel);
          const before = residentBytes(millrace);
          const stop = slowDown(() => ffmpegsOf(millrace), isLong ? 0.5 : 0.93);
          try {
            await waitFor(
              'a rung is taken out',
              async () => (await metric(millrace, 'millrace_worker_shed_rungs')).some(({ value }) => value > 0),
              TEST_DEADLINE_MS / 3,
            );
          } finally {
            stop();
          }
          const verdict = await watched;
          const gapless = verdict.violations.filter(({ rule }) => rule !== 'M-1');
          expect(gapless).toEqual([]);
          expect(verdict).toMatchObject({ isComplete: true, missingSegments: 0, discontinuities: 0, tickErrors: 0 });
          const [top, lowest] = isLong ? ['720p', '360p'] : [SMALL_RUNG.name, TINY_RUNG.name];
          expect(renditionOf(verdict, `${top}/index`).gaps).toBeGreaterThan(0);
          expect(renditionOf(verdict, `${top}/index`).segments).toBeGreaterThan(2);
          expect(renditionOf(verdict, `${lowest}/index`).gaps).toBe(0);
          expect(renditionOf(verdict, 'audio/index').gaps).toBe(0);
          expect(residentBytes(millrace) - before).toBeLessThan(150 * 1024 * 1024);
        },
      ),
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
