import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { observe } from '../observer/observe.ts';
import { stopAll } from '../verbs/children.ts';
import { makeClip, USUAL } from '../verbs/clip.ts';
import { busiest, startCluster } from '../verbs/deployment.ts';
import type { Cluster } from '../verbs/deployment.ts';
import { expectFlawless, renditionOf } from '../verbs/expect-flawless.ts';
import { isLong, mediaSeconds, SEG, SMALL_RUNG, TEST_DEADLINE_MS, TINY_RUNG } from '../verbs/form.ts';
import { createChannel, sessionOf, waitForSegments } from '../verbs/millrace.ts';
import type { Channel } from '../verbs/millrace.ts';
import { publish } from '../verbs/publish.ts';

const LADDER = isLong ? 'default' : [SMALL_RUNG, TINY_RUNG];
const LOWEST = isLong ? '360p' : SMALL_RUNG.name;
const SECONDS = mediaSeconds(20);

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster();
}, 120_000);

afterAll(async () => {
  await cluster.stop();
  await stopAll();
}, 60_000);

describe('a worker that is told to end', () => {
  test(
    'hands its session over: nothing is missing, no discontinuity, and it is gone within three segments',
    async () => {
      const clip = await makeClip({ ...USUAL, size: isLong ? '1280x720' : '426x240', seconds: SECONDS });
      const channel = await createChannel(cluster, 'drain', { ladder: LADDER, graceSeconds: 2 });
      publish(channel.publishUrl, clip);
      await waitForSegments(channel, 1);
      const watched = observe({
        ...{ hls: channel.hls, dash: channel.dash, segmentDuration: SEG },
        until: ({ isEnded }) => isEnded,
        deadlineMs: TEST_DEADLINE_MS / 2,
      });
      const worker = await busiest(cluster.of('transcode-worker'), 'millrace_worker_sessions');
      const newestK = await newestSegment(cluster, channel);
      worker.process.signal('SIGTERM');
      const isGone = await worker.process.ended(60_000);
      try {
        expect(isGone).toBe(true);
        const successor = await busiest(
          cluster.of('transcode-worker').filter((other) => other !== worker),
          'millrace_worker_sessions',
        );
        expect(successor.name).not.toBe(worker.name);
        // It was succeeded, not replaced: the successor says from where on.
        const fromK = Number(
          /"fromK":(\d+),"msg":"Succeeds another worker"/.exec(successor.process.log())?.[1],
        );
        expect(fromK - 1 - newestK).toBeLessThanOrEqual(3);
        const verdict = await watched;
        expectFlawless(verdict);
        expect(renditionOf(verdict, `${LOWEST}/index`)).toMatchObject({
          frames: 30 * SECONDS,
          decodedFrames: 30 * SECONDS,
        });
      } catch (error) {
        process.stderr.write(`\n${cluster.logs()}\n`);
        throw error;
      }
    },
    TEST_DEADLINE_MS,
  );
});

/** The newest segment that is listed. */
async function newestSegment({ http }: Cluster, channel: Channel): Promise<number> {
  const session = await sessionOf(cluster, channel);
  const response = await fetch(`${http}/media/${session?.id}/audio/index.m3u8`);
  const numbers = [...(await response.text()).matchAll(/^(\d+)\.m4s$/gm)].map(([, k]) => Number(k));
  return Math.max(...numbers);
}
