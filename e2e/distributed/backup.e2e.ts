import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { observe } from '../observer/observe.ts';
import type { Progress } from '../observer/observe.ts';
import { stopAll } from '../verbs/children.ts';
import { makeClip, USUAL } from '../verbs/clip.ts';
import type { Clip } from '../verbs/clip.ts';
import { busiest, kill, restart, startCluster } from '../verbs/deployment.ts';
import type { Cluster } from '../verbs/deployment.ts';
import { expectFlawless } from '../verbs/expect-flawless.ts';
import { isLong, SMALL_RUNG, TEST_DEADLINE_MS } from '../verbs/form.ts';
import { createChannel, createStreamKey, sessionOf, waitForPlayable } from '../verbs/millrace.ts';
import type { Channel } from '../verbs/millrace.ts';
import { publish } from '../verbs/publish.ts';
import type { Publisher } from '../verbs/publish.ts';
import { followSplices } from '../verbs/splices.ts';
import type { Splice } from '../verbs/splices.ts';
import { waitFor } from '../verbs/wait-for.ts';

/** The shortest that segments may be: a period begins with one. */
const SEG = { numerator: 1, denominator: 1 };
const LADDER = isLong ? 'default' : [SMALL_RUNG];
const RUNG = isLong ? '360p' : SMALL_RUNG.name;
/** Segments before each change. */
const SEGMENTS = isLong ? 30 : 6;
const MOST_SECONDS = 1;

let cluster: Cluster;
let clip: Clip;

beforeAll(async () => {
  [cluster, clip] = await Promise.all([
    startCluster(),
    makeClip({ ...USUAL, size: isLong ? '1280x720' : '426x240', gopSeconds: 1, seconds: 30 }),
  ]);
}, 180_000);

afterAll(async () => {
  await cluster.stop();
  await stopAll();
}, 60_000);

interface Pair {
  readonly channel: Channel;
  readonly primary: () => Publisher;
  readonly backup: () => Publisher;
}

async function openChannel(name: string): Promise<Pair> {
  const settings = { ladder: LADDER, graceSeconds: 4, segmentDuration: SEG.numerator };
  const channel = await createChannel(cluster, name, settings);
  const { streamKey } = await createStreamKey(cluster, name, 'backup');
  const push = (url: string, encoder: string): Publisher =>
    publish(url, clip, { isLooping: true, extraArguments: ['-rtmp_flashver', encoder] });
  return {
    channel,
    primary: () => push(channel.publishUrl, 'primary'),
    backup: () => push(`${cluster.rtmp}/${streamKey}`, 'backup'),
  };
}

/** Observes a channel to its end, and how its periods follow each other. */
async function watch(channel: Channel) {
  const session = await sessionOf(cluster, channel);
  const playlist = `${cluster.http}/media/${session?.id ?? ''}/${RUNG}/index.m3u8`;
  let latest: Progress | undefined;
  const verdict = observe({
    ...{ hls: channel.hls, dash: channel.dash, segmentDuration: SEG, isContinuous: () => false },
    until: (progress) => {
      latest = progress;
      return progress.isEnded;
    },
    deadlineMs: TEST_DEADLINE_MS / 2,
  });
  const splices = followSplices(playlist, SEG.numerator, TEST_DEADLINE_MS / 2);
  const segments = (count: number): Promise<Progress> =>
    waitFor(
      `${count} segments`,
      () => (latest !== undefined && latest.segments >= count ? latest : undefined),
      TEST_DEADLINE_MS / 3,
    );
  return { verdict, splices, segments };
}

function standingBy(): Promise<unknown> {
  return busiest(cluster.of('ingest'), 'millrace_ingest_standby_encoders');
}

/** No more than a second is missing of what the encoders sent, and so much lies between the periods in media time. */
function expectClose(splice: Splice | undefined, mostMediaSeconds: number): void {
  expect(splice?.wallGapSeconds).toBeLessThanOrEqual(MOST_SECONDS);
  expect(splice?.mediaGapSeconds).toBeGreaterThan(-0.1);
  expect(splice?.mediaGapSeconds).toBeLessThanOrEqual(mostMediaSeconds);
}

async function withLogs(body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    process.stderr.write(`\n${cluster.logs()}\n`);
    throw error;
  }
}

describe('a primary and a backup encoder on two ingests', () => {
  test(
    'the backup goes on where the primary stops, without a reconnect, and the primary when it is back',
    () =>
      withLogs(async () => {
        const { channel, primary, backup } = await openChannel('pair');
        const first = primary();
        await waitForPlayable(channel);
        const second = backup();
        const { verdict: watched, splices, segments } = await watch(channel);
        await standingBy();
        const before = await segments(SEGMENTS);
        await first.kill();
        const between = await segments(before.segments + SEGMENTS);
        const back = primary();
        await segments(between.segments + SEGMENTS);
        expect(second.isRunning()).toBe(true);
        await second.kill();
        await back.kill();
        expectFlawless(await watched, { discontinuities: 2 });
        const [toBackup, toPrimary, ...others] = await splices;
        expectClose(toBackup, MOST_SECONDS);
        // Another ingest does not know where exactly the backup was cut off, and leaves a segment free.
        expectClose(toPrimary, 2 * SEG.numerator);
        expect(others).toEqual([]);
      }),
    TEST_DEADLINE_MS,
  );

  test(
    'the backup goes on when the ingest of the primary is killed',
    () =>
      withLogs(async () => {
        const { channel, primary, backup } = await openChannel('lost-ingest');
        primary();
        await waitForPlayable(channel);
        const ingest = await busiest(cluster.of('ingest'), 'millrace_ingest_publications');
        const second = backup();
        const { verdict: watched, splices, segments } = await watch(channel);
        await standingBy();
        const before = await segments(SEGMENTS);
        await kill(ingest);
        await segments(before.segments + SEGMENTS);
        await second.kill();
        const verdict = await watched;
        expectFlawless(verdict, { discontinuities: 1 });
        const [splice] = await splices;
        expectClose(splice, 2 * SEG.numerator);
        await restart(ingest);
      }),
    TEST_DEADLINE_MS,
  );
});
