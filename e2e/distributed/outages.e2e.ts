import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { observe } from '../observer/observe.ts';
import type { Verdict } from '../observer/verdict.ts';
import { stopAll } from '../verbs/children.ts';
import { makeClip, USUAL } from '../verbs/clip.ts';
import type { Clip } from '../verbs/clip.ts';
import { busiest, startCluster } from '../verbs/deployment.ts';
import type { Cluster } from '../verbs/deployment.ts';
import { expectFlawless, renditionOf } from '../verbs/expect-flawless.ts';
import { isLong, mediaSeconds, SEG, SMALL_RUNG, TEST_DEADLINE_MS } from '../verbs/form.ts';
import { createChannel, createStreamKey, waitForPlayable } from '../verbs/millrace.ts';
import type { Channel } from '../verbs/millrace.ts';
import { publish } from '../verbs/publish.ts';

const SECONDS = isLong ? 140 : mediaSeconds(28);
const OUTAGE_MS = isLong ? 60_000 : 8000;
/** Redis hangs for so long before it is stopped: longer than any publication lives without being renewed. */
const HANG_MS = isLong ? 20_000 : 3000;
/** How long before its primary ends a backup leaves. */
const PAIR_MARGIN_SECONDS = 5;
/** How long before the end of an outage the encoder of a new stream comes. */
const HELD_MS = 3000;

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

/** Publishes the clip; resolves when it can be played, with what viewers will have seen at its end. */
async function goLive(channel: Channel): Promise<{ readonly verdict: Promise<Verdict> }> {
  await waitForPlayable(channel, publish(channel.publishUrl, clip));
  const verdict = observe({
    ...{ hls: channel.hls, dash: channel.dash, segmentDuration: SEG },
    until: ({ isEnded }) => isEnded,
    deadlineMs: TEST_DEADLINE_MS / 2,
  });
  return { verdict };
}

/**
 * Three streams that lack nothing: one that is live while something is away, one that has a backup encoder as well, and one whose
 * encoder comes while it is still away.
 */
async function expectUnharmed(
  name: string,
  dependency: { readonly stop: () => Promise<void>; readonly start: () => Promise<void> },
): Promise<void> {
  try {
    const settings = { ladder: [SMALL_RUNG], graceSeconds: 2 };
    const [before, pair, after] = await Promise.all(
      ['before', 'pair', 'after'].map((when) => createChannel(cluster, `${when}-${name}`, settings)),
    );
    if (before === undefined || pair === undefined || after === undefined) throw new Error('no channels');
    const { streamKey } = await createStreamKey(cluster, pair.name, 'backup');
    // Before its primary ends, however long everything else takes, or it would go on there.
    const isLate = delay((SECONDS - PAIR_MARGIN_SECONDS) * 1000);
    const live = await Promise.all([goLive(before), goLive(pair)]);
    const backup = publish(`${cluster.rtmp}/${streamKey}`, clip, { isLooping: true });
    await busiest(cluster.of('ingest'), 'millrace_ingest_standby_encoders');
    const killed = isLate.then(() => backup.kill());
    await dependency.stop();
    await delay(OUTAGE_MS - HELD_MS);
    const beginning = goLive(after);
    await Promise.all([beginning, delay(HELD_MS).then(dependency.start)]);
    const late = await beginning;
    await killed;
    for (const verdict of await Promise.all([...live, late].map((stream) => stream.verdict))) {
      expectFlawless(verdict);
      expect(renditionOf(verdict, '240p/index')).toMatchObject({
        frames: 30 * SECONDS,
        decodedFrames: 30 * SECONDS,
      });
    }
  } catch (error) {
    process.stderr.write(`\n${cluster.logs()}\n`);
    throw error;
  }
}

describe('a live stream goes on, and a new one begins without a restart', () => {
  test(
    'while Kafka is stopped',
    () =>
      expectUnharmed('kafka', {
        stop: async () => cluster.dependencies.kafka?.stop(1),
        start: async () => cluster.dependencies.kafka?.start(1),
      }),
    TEST_DEADLINE_MS,
  );

  test(
    'while Redis hangs, is stopped, and comes back empty',
    () =>
      expectUnharmed('redis', {
        stop: async () => {
          const { redis } = cluster.dependencies;
          redis?.pause();
          await delay(HANG_MS);
          redis?.resume();
          // Everyone is late; a backup must not take that for the end of its primary.
          await delay(1000);
          await redis?.kill();
        },
        start: async () => cluster.dependencies.redis?.start(),
      }),
    TEST_DEADLINE_MS,
  );
});
