import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { observe } from '../observer/observe.ts';
import type { Verdict } from '../observer/verdict.ts';
import { stopAll } from '../verbs/children.ts';
import { makeClip, USUAL } from '../verbs/clip.ts';
import type { Clip } from '../verbs/clip.ts';
import { busiest, kill, metricOf, restart, startCluster, withLogs } from '../verbs/deployment.ts';
import type { Cluster, Instance } from '../verbs/deployment.ts';
import { expectFlawless, renditionOf } from '../verbs/expect-flawless.ts';
import { isLong, mediaSeconds, SEG, SMALL_RUNG, TEST_DEADLINE_MS, TINY_RUNG } from '../verbs/form.ts';
import { createChannel, waitForPlayable } from '../verbs/millrace.ts';
import type { Channel } from '../verbs/millrace.ts';
import { publish } from '../verbs/publish.ts';

const LADDER = isLong ? 'default' : [SMALL_RUNG, TINY_RUNG];
const LOWEST = isLong ? '360p' : SMALL_RUNG.name;
const SECONDS = mediaSeconds(24);
/** Segments that a standby has made before the leader goes. */
const STANDBY_MS = 6000;

let cluster: Cluster;
let clip: Clip;

beforeAll(async () => {
  [cluster, clip] = await Promise.all([
    startCluster({ counts: { 'transcode-worker': 2 } }),
    makeClip({ ...USUAL, size: isLong ? '1280x720' : '426x240', seconds: SECONDS }),
  ]);
}, 180_000);

afterAll(async () => {
  await cluster.stop();
  await stopAll();
}, 60_000);

/** Publishes the clip on a channel with a standby; resolves with who leads and who stands by, once both have begun. */
async function goLive(name: string): Promise<{ channel: Channel; leader: Instance; standby: Instance }> {
  const channel = await createChannel(cluster, name, { ladder: LADDER, graceSeconds: 2, redundancy: 'hot' });
  publish(channel.publishUrl, clip);
  await waitForPlayable(channel);
  const workers = cluster.of('transcode-worker');
  const standby = await busiest(workers, 'millrace_worker_standby_sessions');
  const leader = await busiest(workers, 'millrace_worker_sessions');
  return { channel, leader, standby };
}

function watchToTheEnd(channel: Channel): Promise<Verdict> {
  return observe({
    ...{ hls: channel.hls, dash: channel.dash, segmentDuration: SEG },
    until: ({ isEnded }) => isEnded,
    deadlineMs: TEST_DEADLINE_MS / 2,
  });
}

async function takeovers(worker: Instance): Promise<number> {
  const samples = await metricOf(worker, 'millrace_worker_standby_takeovers_total');
  return samples.reduce((sum, { value }) => sum + value, 0);
}

function expectEveryFrame(verdict: Verdict): void {
  expectFlawless(verdict);
  expect(renditionOf(verdict, `${LOWEST}/index`)).toMatchObject({
    frames: 30 * SECONDS,
    decodedFrames: 30 * SECONDS,
  });
}

describe('a channel with a standby', () => {
  test.each(['SIGKILL', 'SIGSTOP', 'SIGTERM'] as const)(
    'whose leader gets %s: the standby goes on with what it has made, nothing is missing, every frame is there',
    (signal) =>
      withLogs(cluster, async () => {
        const { channel, leader, standby } = await goLive(`hot-${signal.toLowerCase()}`);
        const watched = watchToTheEnd(channel);
        expect(leader.name).not.toBe(standby.name);
        await delay(STANDBY_MS);
        const before = await takeovers(standby);
        if (signal === 'SIGKILL') await kill(leader);
        else leader.process.signal(signal);
        await busiest([standby], 'millrace_worker_sessions');
        expect(await takeovers(standby)).toBe(before + 1);
        if (signal === 'SIGSTOP') leader.process.signal('SIGCONT');
        if (signal === 'SIGTERM') expect(await leader.process.ended(TEST_DEADLINE_MS / 4)).toBe(true);
        if (signal !== 'SIGSTOP') await restart(leader);
        expectEveryFrame(await watched);
        expect(standby.process.log()).toContain('The standby goes on with what it holds');
        expect(standby.process.log()).not.toContain('does not go on where the leader stopped');
        expect(await metricOf(standby, 'millrace_worker_standby_diverged_rows_total')).toMatchObject([
          { value: 0 },
        ]);
      }),
    TEST_DEADLINE_MS,
  );
});
