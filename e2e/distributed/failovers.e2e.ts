import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { KafkaCluster } from '../../scripts/kafka/kafka-cluster.ts';
import { RedisSentinel } from '../../scripts/redis/redis-sentinel.ts';
import { observe } from '../observer/observe.ts';
import type { Verdict } from '../observer/verdict.ts';
import { start, stopAll, temporaryDirectory } from '../verbs/children.ts';
import type { OwnedProcess } from '../verbs/children.ts';
import { makeClip, USUAL } from '../verbs/clip.ts';
import type { Clip } from '../verbs/clip.ts';
import { startCluster } from '../verbs/deployment.ts';
import type { Cluster } from '../verbs/deployment.ts';
import { expectFlawless, renditionOf } from '../verbs/expect-flawless.ts';
import { isLong, mediaSeconds, SEG, SMALL_RUNG, TEST_DEADLINE_MS } from '../verbs/form.ts';
import { createChannel, waitForPlayable } from '../verbs/millrace.ts';
import type { Channel } from '../verbs/millrace.ts';
import { publish } from '../verbs/publish.ts';
import { waitFor } from '../verbs/wait-for.ts';

const SECONDS = isLong ? 300 : mediaSeconds(44);
/** After each fault, for what it breaks to show. */
const CALM_MS = isLong ? 60_000 : 6000;
const EVENTS = join(import.meta.dirname, '../../scripts/events');

let sentinel: RedisSentinel;
let kafka: KafkaCluster;
let cluster: Cluster;
let clip: Clip;

beforeAll(async () => {
  [cluster, clip] = await Promise.all([
    startReplicated(),
    makeClip({ ...USUAL, size: '426x240', seconds: SECONDS }),
  ]);
}, 240_000);

afterAll(async () => {
  await cluster.stop();
  await Promise.all([sentinel.remove(), kafka.down()]);
  await stopAll();
}, 60_000);

/** The services on a Redis under Sentinels and three brokers. */
async function startReplicated(): Promise<Cluster> {
  const directory = temporaryDirectory('replicated');
  [sentinel, kafka] = await Promise.all([
    RedisSentinel.start({ directory: join(directory, 'redis') }),
    KafkaCluster.create({ directory: join(directory, 'kafka'), brokers: 3 }),
  ]);
  const { url } = sentinel.connection;
  return startCluster(
    { redis: sentinel.connection },
    { REDIS_URL: url, KAFKA_BROKERS: kafka.addresses().join(',') },
  );
}

async function goLive(name: string): Promise<Channel> {
  const channel = await createChannel(cluster, name, { ladder: [SMALL_RUNG], graceSeconds: 2 });
  publish(channel.publishUrl, clip);
  await waitForPlayable(channel);
  return channel;
}

function watch(channel: Channel): Promise<Verdict> {
  return observe({
    ...{ hls: channel.hls, dash: channel.dash, segmentDuration: SEG },
    until: ({ isEnded }) => isEnded,
    deadlineMs: TEST_DEADLINE_MS / 2,
  });
}

/** The consumer example, reading from now on. */
async function readEvents(): Promise<OwnedProcess> {
  const consumer = start(EVENTS, [], {
    env: { ...process.env, KAFKA_BROKERS: kafka.addresses().join(',') },
  });
  await waitFor('the consumer listens', () => consumer.stderr().includes('Listening'), 60_000);
  return consumer;
}

interface PrintedEvent {
  readonly id: string;
  readonly type: string;
  readonly data: { readonly channel?: string; readonly k?: number };
}

function eventsOf(consumer: OwnedProcess): readonly PrintedEvent[] {
  const lines = consumer.stdout().split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as PrintedEvent);
}

/** Every segment that was published is told of once: by one id, however often it came. */
function expectEverySegmentTold(events: readonly PrintedEvent[], channel: Channel): void {
  const own = events.filter(({ type, data }) => type === 'SegmentPublished' && data.channel === channel.name);
  const idsByK = new Map<number, Set<string>>();
  for (const { id, data } of own) idsByK.set(data.k ?? 0, (idsByK.get(data.k ?? 0) ?? new Set()).add(id));
  const ks = [...idsByK.keys()].toSorted((a, b) => a - b);
  const [first = 0] = ks;
  expect(ks).toEqual(Array.from({ length: ks.length }, (_, index) => first + index));
  expect(ks.length).toBeGreaterThanOrEqual(Math.floor((SECONDS * SEG.denominator) / SEG.numerator));
  for (const ids of idsByK.values()) expect(ids.size).toBe(1);
}

test(
  'a broker of three dies, the master of Redis dies, Redis is emptied: nothing is missing, every event is told, and a new stream begins',
  async () => {
    try {
      const consumer = await readEvents();
      const channels = await Promise.all(['one', 'two'].map(goLive));
      const watched = Promise.all(channels.map(watch));
      await kafka.kill(1);
      await delay(CALM_MS);
      await kafka.start(1);
      await sentinel.failOver();
      await delay(CALM_MS);
      await sentinel.data[1]?.ask('FLUSHALL');
      await delay(CALM_MS);
      // What is made now finds everything in place, also a broker that was away.
      const later = await goLive('later');
      const verdicts = [...(await watched), await watch(later)];
      for (const verdict of verdicts.slice(0, 2)) {
        expectFlawless(verdict);
        expect(renditionOf(verdict, '240p/index')).toMatchObject({
          frames: 30 * SECONDS,
          decodedFrames: 30 * SECONDS,
        });
      }
      expectFlawless(verdicts[2] as Verdict);
      for (const channel of [...channels, later]) {
        await waitFor(`the end of ${channel.name} is told`, () =>
          eventsOf(consumer).some(
            ({ type, data }) => type === 'SessionEnded' && data.channel === channel.name,
          ),
        );
        expectEverySegmentTold(eventsOf(consumer), channel);
      }
    } catch (error) {
      process.stderr.write(`\n${cluster.logs()}\n`);
      throw error;
    }
  },
  TEST_DEADLINE_MS,
);
