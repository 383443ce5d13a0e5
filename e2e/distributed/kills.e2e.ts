import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { observe } from '../observer/observe.ts';
import type { Verdict } from '../observer/verdict.ts';
import { stopAll } from '../verbs/children.ts';
import { makeClip, USUAL } from '../verbs/clip.ts';
import type { Clip } from '../verbs/clip.ts';
import { busiest, kill, metricOf, restart, startCluster, withLogs } from '../verbs/deployment.ts';
import type { Cluster } from '../verbs/deployment.ts';
import { expectFlawless, renditionOf } from '../verbs/expect-flawless.ts';
import { isLong, mediaSeconds, SEG, SMALL_RUNG, TEST_DEADLINE_MS, TINY_RUNG } from '../verbs/form.ts';
import { createChannel, waitForPlayable } from '../verbs/millrace.ts';
import type { Channel } from '../verbs/millrace.ts';
import { publish } from '../verbs/publish.ts';

const LADDER = isLong ? 'default' : [SMALL_RUNG, TINY_RUNG];
const LOWEST = isLong ? '360p' : SMALL_RUNG.name;
const SECONDS = mediaSeconds(16);

let cluster: Cluster;
let clip: Clip;

beforeAll(async () => {
  [cluster, clip] = await Promise.all([
    startCluster(),
    makeClip({ ...USUAL, size: isLong ? '1280x720' : '426x240', seconds: SECONDS }),
  ]);
}, 180_000);

afterAll(async () => {
  await cluster.stop();
  await stopAll();
}, 60_000);

/** Publishes the clip on a new channel; resolves when it can be played. */
async function goLive(name: string): Promise<Channel> {
  const channel = await createChannel(cluster, name, { ladder: LADDER, graceSeconds: 2 });
  publish(channel.publishUrl, clip);
  await waitForPlayable(channel);
  return channel;
}

/** Until another worker goes on nothing new comes: how long that takes is measured by `bench/caught-up.ts`. */
const whileWorkersChange = (): boolean => false;

async function watchToTheEnd(channel: Channel, isContinuous = () => true): Promise<Verdict> {
  return observe({
    ...{ hls: channel.hls, dash: channel.dash, segmentDuration: SEG, isContinuous },
    until: ({ isEnded }) => isEnded,
    deadlineMs: TEST_DEADLINE_MS / 2,
  });
}

function expectEveryFrame(verdict: Verdict): void {
  expectFlawless(verdict);
  expect(renditionOf(verdict, `${LOWEST}/index`)).toMatchObject({
    frames: 30 * SECONDS,
    decodedFrames: 30 * SECONDS,
  });
}

describe('kill -9 under a live stream', () => {
  test(
    'of the worker that has it: nothing is missing, no discontinuity, every frame is there',
    () =>
      withLogs(cluster, async () => {
        const channel = await goLive('kill-worker');
        const watched = watchToTheEnd(channel, whileWorkersChange);
        const worker = await busiest(cluster.of('transcode-worker'), 'millrace_worker_sessions');
        await kill(worker);
        expectEveryFrame(await watched);
        await restart(worker);
      }),
    TEST_DEADLINE_MS,
  );

  test(
    'of a packager: nothing is missing, no discontinuity, every frame is there',
    () =>
      withLogs(cluster, async () => {
        const channel = await goLive('kill-packager');
        const watched = watchToTheEnd(channel);
        const [packager] = cluster.of('packager');
        if (packager === undefined) throw new Error('there is no packager');
        await kill(packager);
        expectEveryFrame(await watched);
        await restart(packager);
      }),
    TEST_DEADLINE_MS,
  );

  test(
    'of a playlist-api: nothing is missing, no discontinuity, every frame is there',
    () =>
      withLogs(cluster, async () => {
        const channel = await goLive('kill-playlist-api');
        const watched = watchToTheEnd(channel);
        const [api] = cluster.of('playlist-api');
        if (api === undefined) throw new Error('there is no playlist-api');
        await kill(api);
        expectEveryFrame(await watched);
        await restart(api);
      }),
    TEST_DEADLINE_MS,
  );

  test(
    'of the ingest that has its encoder: one discontinuity when the encoder is back, everything else unbroken',
    () =>
      withLogs(cluster, async () => {
        const channel = await createChannel(cluster, 'kill-ingest', { ladder: LADDER, graceSeconds: 8 });
        const first = publish(channel.publishUrl, clip);
        await waitForPlayable(channel);
        let isPublishing = true;
        const watched = watchToTheEnd(channel, () => isPublishing);
        const ingest = await busiest(cluster.of('ingest'), 'millrace_ingest_publications');
        isPublishing = false;
        await kill(ingest);
        await first.ended;
        // The balancer sends the encoder to the other one.
        publish(channel.publishUrl, clip);
        expectFlawless(await watched, { discontinuities: 1 });
        await restart(ingest);
      }),
    TEST_DEADLINE_MS,
  );
});

describe('a worker that stands still', () => {
  test(
    'and goes on later: another one has its session, and nothing of what it makes is served',
    () =>
      withLogs(cluster, async () => {
        const channel = await goLive('stop-worker');
        const watched = watchToTheEnd(channel, whileWorkersChange);
        const worker = await busiest(cluster.of('transcode-worker'), 'millrace_worker_sessions');
        worker.process.signal('SIGSTOP');
        const others = cluster.of('transcode-worker').filter((other) => other !== worker);
        await busiest(others, 'millrace_worker_sessions');
        await delay(isLong ? 30_000 : 4000);
        worker.process.signal('SIGCONT');
        expectEveryFrame(await watched);
        expect(await metricOf(worker, 'millrace_worker_lease_losses_total')).toMatchObject([{ value: 1 }]);
      }),
    TEST_DEADLINE_MS,
  );
});
