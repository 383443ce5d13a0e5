import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { runProgram } from '../observer/run-program.ts';
import { stopAll } from '../verbs/children.ts';
import { makeClip, USUAL } from '../verbs/clip.ts';
import { isLong, lazily, SMALL_RUNG, TEST_DEADLINE_MS, TINY_RUNG } from '../verbs/form.ts';
import {
  createChannel,
  startMillrace,
  waitForPlayable,
  waitForSegments,
  withLogs,
} from '../verbs/millrace.ts';
import type { Channel, Millrace } from '../verbs/millrace.ts';
import { publish } from '../verbs/publish.ts';
import type { Publisher } from '../verbs/publish.ts';
import { waitFor } from '../verbs/wait-for.ts';
import { startChromium } from './chromium.ts';
import { startPlayerServer } from './player-server.ts';

const WATCH_SECONDS = isLong ? 30 : 15;
/** Of the seconds watched, the clock may lose these. */
const LOST_SECONDS = 2;
/** Longer than two segments: players run dry, or nearly so. */
const AWAY_MS = 5000;

const browser = lazily(startChromium);
const site = lazily(startPlayerServer);
const millrace = lazily(() => startMillrace());
const live = lazily(async () => openChannel('players'));
/** Concurrent tests are all begun before the first hook. */
const returning = lazily(async () => openChannel('returning'));

interface Live {
  readonly system: Millrace;
  readonly channel: Channel;
  publisher: Publisher;
}

async function openChannel(name: string): Promise<Live> {
  const system = await millrace();
  const channel = await createChannel(system, name, { ladder: isLong ? 'default' : [SMALL_RUNG, TINY_RUNG] });
  const clip = await makeClip({ ...USUAL, size: isLong ? '1280x720' : '426x240', seconds: 30 });
  const publisher = publish(channel.publishUrl, clip, { isLooping: true });
  await waitForPlayable(channel);
  // Who joins at once plays nearer to the newest segment than players like, and may wait for one.
  await waitForSegments(channel, 4);
  return { system, channel, publisher };
}

afterAll(async () => {
  await (await browser()).close();
  await (await site()).close();
  await stopAll();
}, TEST_DEADLINE_MS);

interface Seen {
  readonly errors: readonly string[];
  readonly stalls: readonly number[];
  readonly heights: readonly number[];
  readonly firstFrameMs: number;
  readonly longestFreezeMs: number;
  readonly nowMs: number;
  readonly currentTime: number;
  readonly height: number;
  readonly availableHeights: readonly number[];
  readonly frames: number;
  readonly audioBytes: number;
}

async function look(page: Page): Promise<Seen> {
  return page.evaluate('window.look()');
}

/** Opens a player and waits for its first frame. */
async function play(player: string, url: string): Promise<{ readonly page: Page; readonly first: Seen }> {
  const page = await (await browser()).newPage();
  await page.goto((await site()).url);
  await page.evaluate(`window.startPlayer(${JSON.stringify(player)}, ${JSON.stringify(url)})`);
  const first = await waitFor(
    `the first frame in ${player}`,
    async () => {
      const seen = await look(page);
      if (seen.errors.length > 0) throw new Error(`${player}: ${seen.errors.join(', ')}`);
      return seen.firstFrameMs > 0 && seen.frames > 0 && seen;
    },
    TEST_DEADLINE_MS / 3,
  );
  return { page, first };
}

const PLAYERS = [
  { name: 'hls.js plays fMP4', player: 'hls', url: (channel: Channel) => channel.hls[0] },
  {
    name: 'Shaka plays the MPD with SegmentTimeline',
    player: 'shaka',
    url: (channel: Channel) => channel.dash[0],
  },
  { name: 'Shaka plays the MPD with $Number$', player: 'shaka', url: (channel: Channel) => channel.dash[1] },
  {
    name: 'dash.js plays the MPD with SegmentTimeline',
    player: 'dashjs',
    url: (channel: Channel) => channel.dash[0],
  },
  {
    name: 'dash.js plays the MPD with $Number$',
    player: 'dashjs',
    url: (channel: Channel) => channel.dash[1],
  },
] as const;

// The long form has pictures of 720p, of which two cores decode one at a time.
const each = isLong ? test.each : test.concurrent.each;

describe('in Chromium', () => {
  each(PLAYERS)(
    '$name: no stall, every rung, picture and sound',
    async ({ player, url }) => {
      const { system, channel } = await live();
      await withLogs(
        () => system,
        async () => {
          const { page, first } = await play(player, url(channel));
          const heights = [...new Set(first.availableHeights)];
          expect(heights.length).toBe(isLong ? 3 : 2);
          // Every rung, then back to the first.
          for (const height of [...heights, ...heights.slice(0, 1)]) {
            await page.evaluate(`window.player.force(${height})`);
            await waitFor(
              `${player} shows ${height} lines`,
              async () => (await look(page)).height === height,
              TEST_DEADLINE_MS / 3,
            );
          }
          const seen = await waitFor(
            `${player} was watched for ${WATCH_SECONDS} s`,
            async () => {
              const now = await look(page);
              return now.nowMs - first.nowMs >= WATCH_SECONDS * 1000 && now;
            },
            TEST_DEADLINE_MS / 3,
          );
          await page.close();
          const watchedSeconds = (seen.nowMs - first.nowMs) / 1000;
          expect(seen.errors).toEqual([]);
          expect(seen.stalls).toEqual([]);
          expect(seen.longestFreezeMs).toBeLessThan(1000);
          expect(seen.currentTime - first.currentTime).toBeGreaterThanOrEqual(watchedSeconds - LOST_SECONDS);
          expect(new Set(seen.heights)).toEqual(new Set(heights));
          expect(seen.frames - first.frames).toBeGreaterThan(watchedSeconds * 20);
          expect(seen.audioBytes - first.audioBytes).toBeGreaterThan(watchedSeconds * 5000);
        },
      );
    },
    TEST_DEADLINE_MS,
  );

  test(
    'every player goes on when the encoder is away for 5 s',
    async () => {
      const running = await returning();
      await withLogs(
        () => running.system,
        async () => {
          const { channel } = running;
          const players = await Promise.all(
            [PLAYERS[0], PLAYERS[1], PLAYERS[3]].map(async ({ player, url }) => ({
              player,
              ...(await play(player, url(channel))),
            })),
          );
          await running.publisher.kill();
          await delay(AWAY_MS);
          const clip = await makeClip({ ...USUAL, size: isLong ? '1280x720' : '426x240', seconds: 30 });
          running.publisher = publish(channel.publishUrl, clip, { isLooping: true });
          const away = await Promise.all(players.map(({ page }) => look(page)));
          await Promise.all(
            players.map(({ player, page }, index) =>
              waitFor(
                `${player} has played 10 s more`,
                async () => {
                  const seen = await look(page);
                  if (seen.errors.length > 0) throw new Error(`${player}: ${seen.errors.join(', ')}`);
                  // What was buffered is at most three segments: 10 s more come from the new period.
                  return seen.currentTime - (away[index]?.currentTime ?? 0) >= 10;
                },
                TEST_DEADLINE_MS / 3,
              ),
            ),
          );
          await Promise.all(players.map(({ page }) => page.close()));
        },
      );
    },
    TEST_DEADLINE_MS,
  );
});

test(
  "ffmpeg's own HLS demuxer plays the MPEG-TS path",
  async () => {
    const { channel } = await live();
    const { exitCode, stdout, stderr } = await runProgram('ffmpeg', [
      ...['-hide_banner', '-nostdin', '-v', 'warning', '-nostats', '-progress', 'pipe:1', '-xerror'],
      ...[
        '-i',
        channel.hls[1],
        '-t',
        String(WATCH_SECONDS),
        '-map',
        '0:v:0',
        '-map',
        '0:a:0',
        '-f',
        'null',
        '-',
      ],
    ]);
    expect(stderr).toBe('');
    expect(exitCode).toBe(0);
    const frames = Number(/frame=(\d+)/.exec(stdout.slice(stdout.lastIndexOf('frame=')))?.[1]);
    expect(Math.abs(frames - 30 * WATCH_SECONDS)).toBeLessThanOrEqual(2);
  },
  TEST_DEADLINE_MS,
);
