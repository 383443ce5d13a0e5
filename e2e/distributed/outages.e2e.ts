import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { observe } from '../observer/observe.ts';
import type { Verdict } from '../observer/verdict.ts';
import { stopAll } from '../verbs/children.ts';
import { makeClip, USUAL } from '../verbs/clip.ts';
import type { Clip } from '../verbs/clip.ts';
import { startCluster } from '../verbs/deployment.ts';
import type { Cluster } from '../verbs/deployment.ts';
import { expectFlawless, renditionOf } from '../verbs/expect-flawless.ts';
import { isLong, mediaSeconds, SEG, SMALL_RUNG, TEST_DEADLINE_MS } from '../verbs/form.ts';
import { createChannel, waitForPlayable } from '../verbs/millrace.ts';
import type { Channel } from '../verbs/millrace.ts';
import { publish } from '../verbs/publish.ts';

const SECONDS = isLong ? 100 : mediaSeconds(24);
const OUTAGE_MS = isLong ? 60_000 : 8000;

let cluster: Cluster;
let clip: Clip;

beforeAll(async () => {
  [cluster, clip] = await Promise.all([
    startCluster(),
    makeClip({ ...USUAL, size: '426x240', seconds: SECONDS }),
  ]);
}, 180_000);

afterAll(async () => {
  await cluster.stop();
  await stopAll();
}, 60_000);

async function goLive(name: string): Promise<Channel> {
  const channel = await createChannel(cluster, name, { ladder: [SMALL_RUNG], graceSeconds: 2 });
  publish(channel.publishUrl, clip);
  await waitForPlayable(channel);
  return channel;
}

/** Watches a live stream to its end while something happens to what the services need. */
async function watchThrough(name: string, happens: () => Promise<void>): Promise<Verdict> {
  try {
    return await watch(name, happens);
  } catch (error) {
    process.stderr.write(`\n${cluster.logs()}\n`);
    throw error;
  }
}

async function watch(name: string, happens: () => Promise<void>): Promise<Verdict> {
  const channel = await goLive(name);
  const watched = observe({
    ...{ hls: channel.hls, dash: channel.dash, segmentDuration: SEG },
    until: ({ isEnded }) => isEnded,
    deadlineMs: TEST_DEADLINE_MS / 2,
  });
  await happens();
  return watched;
}

function expectEveryFrame(verdict: Verdict): void {
  try {
    expectFlawless(verdict);
    expect(renditionOf(verdict, '240p/index')).toMatchObject({
      frames: 30 * SECONDS,
      decodedFrames: 30 * SECONDS,
    });
  } catch (error) {
    process.stderr.write(`\n${cluster.logs()}\n`);
    throw error;
  }
}

describe('a live stream goes on, and a new one begins afterwards', () => {
  test(
    'while Kafka is stopped',
    async () => {
      const verdict = await watchThrough('kafka-stopped', async () => {
        await cluster.dependencies.kafka?.stop(1);
        await delay(OUTAGE_MS);
        await cluster.dependencies.kafka?.start(1);
      });
      expectEveryFrame(verdict);
    },
    TEST_DEADLINE_MS,
  );

  test(
    'while Redis is stopped, and comes back empty',
    async () => {
      const verdict = await watchThrough('redis-stopped', async () => {
        await cluster.dependencies.redis?.kill();
        await delay(OUTAGE_MS);
        await cluster.dependencies.redis?.start();
      });
      expectEveryFrame(verdict);
      // What the administrator made is there again, too.
      expectEveryFrame(await watchThrough('after-redis', async () => undefined));
    },
    TEST_DEADLINE_MS,
  );
});
