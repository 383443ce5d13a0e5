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
  sessionOf,
  startMillrace,
  waitForPlayable,
  waitForSegments,
  withLogs,
} from './verbs/millrace.ts';
import type { Channel, Millrace } from './verbs/millrace.ts';
import { publish } from './verbs/publish.ts';
import type { Publisher } from './verbs/publish.ts';
import { followRows } from './verbs/served-rows.ts';
import type { ServedRows } from './verbs/served-rows.ts';
import { waitFor } from './verbs/wait-for.ts';

const SIZE = isLong ? '1280x720' : '426x240';
const LADDER = isLong ? 'default' : [SMALL_RUNG, TINY_RUNG];
const RUNGS = isLong ? ['720p', '480p', '360p'] : [SMALL_RUNG.name, TINY_RUNG.name];
/** Three rungs, so that there is an order in which they go. */
const MIDDLE_RUNG = { name: '180p', width: 320, height: 180, bitrateBps: 300_000 } as const;
const SLOW_LADDER = isLong ? 'default' : [SMALL_RUNG, MIDDLE_RUNG, TINY_RUNG];
const SLOW_RUNGS = isLong ? ['720p', '480p', '360p'] : [SMALL_RUNG.name, MIDDLE_RUNG.name, TINY_RUNG.name];
/** Its ffmpeg is slow, not hung; a rung that was taken out may come back soon, so that it can be waited for. */
const SLOW_WORKER = {
  ffmpeg: { encoderThreads: 1 },
  watchdog: { stallMs: 5000, startMs: 20_000 },
  lateness: { shedAboveSegments: 0.5, restoreAfterSeconds: 3 },
};

afterAll(stopAll);

interface Running {
  readonly millrace: Millrace;
  readonly channel: Channel;
  readonly publisher: Publisher;
  /** Its ffmpeg. */
  readonly pid: number;
}

/** Starts a Millrace with one channel, so that there is one ffmpeg. */
async function startChannel(name: string, seconds: number): Promise<Running> {
  const millrace = await startMillrace({
    worker: { capacityUnits: 100, ffmpeg: { encoderThreads: 1 } },
  });
  const channel = await createChannel(millrace, name, { ladder: LADDER, graceSeconds: 2 });
  const publisher = publish(channel.publishUrl, await makeClip({ ...USUAL, size: SIZE, seconds }));
  const pid = await waitFor('an ffmpeg', () => ffmpegsOf(millrace)[0]);
  await waitForPlayable(channel);
  return { millrace, channel, publisher, pid };
}

async function watchToTheEnd(channel: Channel, isContinuous: () => boolean): Promise<Verdict> {
  return observe({
    ...{ hls: channel.hls, dash: channel.dash, segmentDuration: SEG, isContinuous },
    until: ({ isEnded }) => isEnded,
    deadlineMs: TEST_DEADLINE_MS / 2,
  });
}

// Side by side in the short form; two cores that have several ladders of 720p at once would shed rungs of all of them.
const inTurn = isLong ? test : test.concurrent;

describe('an ffmpeg that', () => {
  // Each has a Millrace of its own.
  inTurn.each([
    { name: 'is killed', signal: 'SIGKILL' },
    { name: 'hangs', signal: 'SIGSTOP' },
  ] as const)(
    '$name: nothing is missing, no discontinuity, every frame is there',
    async ({ signal }) => {
      const seconds = mediaSeconds(14);
      const { millrace, channel, publisher, pid } = await startChannel(
        `fault-${signal.toLowerCase()}`,
        seconds,
      );
      await withLogs(
        () => millrace,
        async () => {
          const watched = watchToTheEnd(channel, publisher.isRunning);
          process.kill(pid, signal);
          await waitFor('another ffmpeg in place of the old one', () => {
            const pids = ffmpegsOf(millrace);
            return pids.length > 0 && !pids.includes(pid);
          });
          const verdict = await watched;
          expectFlawless(verdict);
          for (const rung of RUNGS) {
            expect(renditionOf(verdict, `${rung}/index`)).toMatchObject({
              frames: 30 * seconds,
              decodedFrames: 30 * seconds,
            });
          }
          const audio = renditionOf(verdict, 'audio/index');
          expect(Math.abs(audio.mediaSeconds - seconds)).toBeLessThan(0.2);
        },
      );
    },
    TEST_DEADLINE_MS,
  );

  inTurn(
    'is slower than real time: the largest rungs become gaps, the largest first, and come back, the lowest and the audio never, memory stays',
    async () => {
      const seconds = isLong ? 180 : 44;
      const millrace = await startMillrace({ worker: SLOW_WORKER });
      await withLogs(
        () => millrace,
        async () => {
          const channel = await createChannel(millrace, 'fault-slow', {
            ladder: SLOW_LADDER,
            graceSeconds: 2,
          });
          publish(channel.publishUrl, await makeClip({ ...USUAL, size: SIZE, seconds }));
          await waitForPlayable(channel);
          const session = await sessionOf(millrace, channel);
          const ids = [...SLOW_RUNGS, 'audio'];
          const following = followRows(millrace.http, session?.id ?? '', ids, TEST_DEADLINE_MS);
          // While an ffmpeg is slow its playlists may stand still for as long as it may be late: H-3 is not asked for.
          const watched = watchToTheEnd(channel, () => false);
          // In the long form the window and the ring are full before anything is slow.
          if (isLong) await waitForSegments(channel, 16);
          using queue = watchQueue(millrace);
          const shed = async (): Promise<number> =>
            (await metric(millrace, 'millrace_worker_shed_rungs'))[0]?.value ?? 0;
          const stop = slowDown(() => ffmpegsOf(millrace), isLong ? 0.85 : 0.95);
          try {
            await waitFor('all rungs but the lowest are out', async () => (await shed()) === 2, 60_000);
          } finally {
            stop();
          }
          await waitFor('all rungs are back', async () => (await shed()) === 0, 60_000);
          const [verdict, rows] = await Promise.all([watched, following]);
          expect(verdict.violations).toEqual([]);
          expect(verdict).toMatchObject({
            isComplete: true,
            missingSegments: 0,
            discontinuities: 0,
            tickErrors: 0,
          });
          expect(Math.max(...queue.residentMib) - (queue.residentMib[0] ?? 0)).toBeLessThan(MAX_GROWTH_MIB);
          expect(Math.max(...queue.lateSeconds)).toBeLessThan(MAX_LATE_SECONDS);
          expect(queue.lateSeconds.at(-1)).toBeLessThan(2);
          expect(Math.max(...queue.ringMib)).toBeLessThan(MAX_RING_MIB);
          expectShedInOrder(ids.map((id) => gapsOf(rows, id)));
          const restarts = await metric(millrace, 'millrace_worker_transcoder_restarts_total');
          const countOf = (reason: string): number =>
            restarts.find(({ labels }) => labels.includes(`reason="${reason}"`))?.value ?? 0;
          expect(countOf('shed')).toBeGreaterThanOrEqual(2);
          expect(countOf('restore')).toBe(countOf('shed'));
        },
      );
    },
    TEST_DEADLINE_MS,
  );
});

/** The listed segments of a rendition, and those of them that have no media. */
function gapsOf(rows: ReadonlyMap<string, ServedRows>, id: string): { all: number[]; gaps: number[] } {
  const listed = [...(rows.get(id) ?? [])].toSorted(([a], [b]) => a - b);
  return {
    all: listed.map(([msn]) => msn),
    gaps: listed.filter(([, isGap]) => isGap).map(([msn]) => msn),
  };
}

/** Every rung that is out has all larger ones out with it; each has media before and after; the last two are never out. */
function expectShedInOrder(renditions: readonly { readonly all: number[]; readonly gaps: number[] }[]): void {
  const [largest, middle, lowest, audio] = renditions;
  if (largest === undefined || middle === undefined) throw new Error('there are three rungs');
  expect(lowest?.gaps).toEqual([]);
  expect(audio?.gaps).toEqual([]);
  expect(middle.gaps.length).toBeGreaterThan(0);
  expect(middle.gaps.filter((msn) => !largest.gaps.includes(msn))).toEqual([]);
  // One at a time, the larger first; in the same segment when an ffmpeg with one rung less made nothing of it either.
  expect(largest.gaps[0]).toBeLessThanOrEqual(middle.gaps[0] ?? 0);
  expect(largest.gaps.at(-1)).toBeGreaterThanOrEqual(middle.gaps.at(-1) ?? 0);
  for (const { all, gaps } of [largest, middle]) {
    expect(gaps[0]).toBeGreaterThan(all[0] ?? 0);
    expect(gaps.at(-1)).toBeLessThan(all.at(-1) ?? 0);
    expect(all).toEqual(all.map((_, index) => (all[0] ?? 0) + index));
  }
}

const QUEUE_LOOK_MS = 500;
/**
 * Whatever waits for a slow ffmpeg, in whichever queue, comes out late by the time it waited: 3 s were seen. One that is never
 * bounded, before an ffmpeg that is stopped for most of the time, passes this within 20 s.
 */
const MAX_LATE_SECONDS = 10;
/** 20 s of 700 kb/s and two GOPs are 2 MiB; all of a test would be 4 MiB in the short form, 15 in the long one. */
const MAX_RING_MIB = 3;
/**
 * For what is none of these queues. All that is sent in the long form are 15 MiB, so that a queue of it would hardly show here;
 * but V8's heap grows with what passes through it, in the first minutes above all: by 87 MiB with a window and a ring of 720p.
 */
const MAX_GROWTH_MIB = isLong ? 128 : 64;

/** What can grow behind an ffmpeg that is slow. */
interface Queue {
  readonly lateSeconds: readonly number[];
  readonly ringMib: readonly number[];
  readonly residentMib: readonly number[];
}

/** Looks at it until it is disposed of. */
function watchQueue(millrace: Millrace): Queue & Disposable {
  const seen = { lateSeconds: [0], ringMib: [0], residentMib: [residentBytes(millrace) / 2 ** 20] };
  const valueOf = async (name: string): Promise<number> => (await metric(millrace, name))[0]?.value ?? 0;
  const look = async (): Promise<void> => {
    seen.residentMib.push(residentBytes(millrace) / 2 ** 20);
    seen.lateSeconds.push(await valueOf('millrace_worker_output_lateness_seconds'));
    seen.ringMib.push((await valueOf('millrace_ingest_ring_bytes')) / 2 ** 20);
  };
  // A look that fails shows in what is awaited meanwhile.
  const timer = setInterval(() => void look().catch(() => undefined), QUEUE_LOOK_MS);
  return { ...seen, [Symbol.dispose]: () => clearInterval(timer) };
}

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
