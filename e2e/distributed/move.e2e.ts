import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { observe } from '../observer/observe.ts';
import { stopAll } from '../verbs/children.ts';
import { makeClip, USUAL } from '../verbs/clip.ts';
import { startCluster } from '../verbs/deployment.ts';
import type { Cluster } from '../verbs/deployment.ts';
import { expectFlawless, renditionOf } from '../verbs/expect-flawless.ts';
import { isLong, mediaSeconds, SEG, SMALL_RUNG, TEST_DEADLINE_MS } from '../verbs/form.ts';
import { api, createChannel, sessionOf, waitForSegments } from '../verbs/millrace.ts';
import type { Channel } from '../verbs/millrace.ts';
import { publish } from '../verbs/publish.ts';
import { waitFor } from '../verbs/wait-for.ts';

const LADDER = isLong ? 'default' : [SMALL_RUNG];
const LOWEST = isLong ? '360p' : SMALL_RUNG.name;
const SECONDS = mediaSeconds(24);
/** Two workers with room for one session each: whoever has nothing takes anything. */
const ONE_EACH = { ffmpeg: { encoderThreads: 1, x264Preset: 'ultrafast' }, capacityUnits: 0.1 };

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster({
    counts: { 'transcode-worker': 2 },
    settings: { 'transcode-worker': ONE_EACH },
  });
}, 120_000);

afterAll(async () => {
  await cluster.stop();
  await stopAll();
}, 60_000);

async function idOf(channel: Channel): Promise<string> {
  return (await sessionOf(cluster, channel))?.id ?? '';
}

/** The worker that has the session, as the REST API says. */
async function workerOf(sessionId: string): Promise<string | undefined> {
  return (await api<{ worker?: string }>(cluster, 'GET', `/sessions/${sessionId}`)).worker;
}

test(
  'a session that is moved goes on at another worker, and where there is no room it stays; viewers notice neither',
  async () => {
    const clip = await makeClip({ ...USUAL, size: isLong ? '1280x720' : '426x240', seconds: SECONDS });
    const channel = await createChannel(cluster, 'move', { ladder: LADDER, graceSeconds: 2 });
    publish(channel.publishUrl, clip);
    await waitForSegments(channel, 1);
    const watched = observe({
      ...{ hls: channel.hls, dash: channel.dash, segmentDuration: SEG },
      until: ({ isEnded }) => isEnded,
      deadlineMs: TEST_DEADLINE_MS / 2,
    });
    try {
      const sessionId = await idOf(channel);
      const first = await waitFor('a worker', () => workerOf(sessionId));
      await api(cluster, 'POST', `/sessions/${sessionId}/move`);
      const second = await waitFor('another worker', async () => {
        const worker = await workerOf(sessionId);
        return worker !== first && worker;
      });

      // The first one has room for another session, and then there is none left anywhere.
      const other = await createChannel(cluster, 'other', { ladder: LADDER, graceSeconds: 2 });
      publish(other.publishUrl, clip);
      await waitFor('both workers have a session', async () => {
        const id = await idOf(other);
        return id !== '' && (await workerOf(id)) === first;
      });
      await waitFor('the full worker is registered as full', async () => {
        const refusal = await api(cluster, 'POST', `/sessions/${sessionId}/move`).catch(
          (error: Error) => error,
        );
        return refusal instanceof Error && refusal.message.includes('PLAYLIST_API_NO_CAPACITY');
      });
      expect(await workerOf(sessionId)).toBe(second);

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
