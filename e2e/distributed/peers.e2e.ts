import { globSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { observe } from '../observer/observe.ts';
import type { Verdict } from '../observer/verdict.ts';
import { stopAll } from '../verbs/children.ts';
import { makeClip, USUAL } from '../verbs/clip.ts';
import type { Clip } from '../verbs/clip.ts';
import { busiest, kill, metricOf, restart, startCluster, withLogs } from '../verbs/deployment.ts';
import type { Cluster, Instance } from '../verbs/deployment.ts';
import { expectFlawless, renditionOf } from '../verbs/expect-flawless.ts';
import { isLong, mediaSeconds, SEG, SMALL_RUNG, TEST_DEADLINE_MS } from '../verbs/form.ts';
import { createChannel, sessionOf, waitForPlayable } from '../verbs/millrace.ts';
import type { Channel } from '../verbs/millrace.ts';
import { publish } from '../verbs/publish.ts';

const SECONDS = isLong ? 80 : mediaSeconds(24);
const STALL_MS = isLong ? 30_000 : 8000;
/** What a process may grow by while a peer of it takes nothing: far more than waits, far less than everything that was sent. */
const MAX_GROWTH_MB = 96;
const SILENT_VIEWERS = 100;
/** Of every two instances one is ahead and one behind, so that whoever talks to each other disagrees. */
const OFFSET_SECONDS = 2;

let cluster: Cluster;
let clip: Clip;

beforeAll(async () => {
  const [library] = globSync('/usr/lib/*/faketime/libfaketime.so.1');
  if (library === undefined) throw new Error('libfaketime is not there: sudo apt-get install -y faketime');
  // What playlist-api says of the time is for players, who are held to the clock of this process.
  const env = (name: string): Record<string, string> =>
    name.startsWith('playlist-api')
      ? {}
      : {
          LD_PRELOAD: library,
          FAKETIME: `${Number(name.at(-1)) % 2 === 0 ? '-' : '+'}${OFFSET_SECONDS}s`,
          // Timers and intervals go on as ever.
          FAKETIME_DONT_FAKE_MONOTONIC: '1',
          FAKETIME_DISABLE_SHM: '1',
        };
  [cluster, clip] = await Promise.all([
    startCluster({ env }),
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

/** Until another worker goes on nothing new comes: how long that takes is measured by `bench/caught-up.ts`. */
const whileWorkersChange = (): boolean => false;

function watch(channel: Channel, isContinuous = () => true): Promise<Verdict> {
  return observe({
    ...{ hls: channel.hls, dash: channel.dash, segmentDuration: SEG, isContinuous },
    until: ({ isEnded }) => isEnded,
    deadlineMs: TEST_DEADLINE_MS / 2,
  });
}

function expectEveryFrame(verdict: Verdict): void {
  expectFlawless(verdict);
  expect(renditionOf(verdict, '240p/index')).toMatchObject({
    frames: 30 * SECONDS,
    decodedFrames: 30 * SECONDS,
  });
}

/** Resident memory of a process, in MB. */
function residentMb(instance: Instance): number {
  const status = readFileSync(`/proc/${instance.process.pid ?? 0}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

async function sumOf(instance: Instance, metric: string): Promise<number> {
  const samples = await metricOf(instance, metric);
  return samples.reduce((sum, { value }) => sum + value, 0);
}

test(
  'clocks that differ by 4 s change nothing: a worker that is killed is replaced as ever, and every frame is there',
  () =>
    withLogs(cluster, async () => {
      const dates = await Promise.all(
        cluster.of('packager').map(async ({ admin }) => {
          const { headers } = await fetch(`${admin}/healthz`);
          return Date.parse(headers.get('date') ?? '');
        }),
      );
      // The clocks are what this test takes them for.
      expect(Math.abs((dates[0] ?? 0) - (dates[1] ?? 0))).toBeGreaterThan(2000 * OFFSET_SECONDS - 1500);
      const channel = await goLive('clocks');
      const watched = watch(channel, whileWorkersChange);
      const worker = await busiest(cluster.of('transcode-worker'), 'millrace_worker_sessions');
      await kill(worker);
      expectEveryFrame(await watched);
      await restart(worker);
    }),
  TEST_DEADLINE_MS,
);

test(
  'an encoder that comes back to an ingest whose clock is 4 s off goes on with one discontinuity, and nothing is missing',
  () =>
    withLogs(cluster, async () => {
      const channel = await createChannel(cluster, 'clocks-ingest', {
        ladder: [SMALL_RUNG],
        graceSeconds: 8,
      });
      const first = publish(channel.publishUrl, clip);
      await waitForPlayable(channel);
      let isPublishing = true;
      const watched = observe({
        ...{ hls: channel.hls, dash: channel.dash, segmentDuration: SEG },
        isContinuous: () => isPublishing,
        until: ({ isEnded }) => isEnded,
        deadlineMs: TEST_DEADLINE_MS / 2,
      });
      const ingest = await busiest(cluster.of('ingest'), 'millrace_ingest_publications');
      isPublishing = false;
      await kill(ingest);
      await first.ended;
      publish(channel.publishUrl, clip);
      expectFlawless(await watched, { discontinuities: 1 });
      await restart(ingest);
    }),
  TEST_DEADLINE_MS,
);

test(
  'a packager that takes nothing for a while costs its worker bounded memory, is counted as lost, and viewers miss nothing',
  () =>
    withLogs(cluster, async () => {
      const channel = await goLive('stalled-packager');
      const watched = watch(channel);
      const worker = await busiest(cluster.of('transcode-worker'), 'millrace_worker_sessions');
      const [packager] = cluster.of('packager');
      if (packager === undefined) throw new Error('there is no packager');
      const [beforeMb, lost] = [
        residentMb(worker),
        await sumOf(worker, 'millrace_worker_packagers_lost_total'),
      ];
      packager.process.signal('SIGSTOP');
      await delay(STALL_MS);
      expect(residentMb(worker) - beforeMb).toBeLessThan(MAX_GROWTH_MB);
      expect(await sumOf(worker, 'millrace_worker_packagers_lost_total')).toBeGreaterThan(lost);
      packager.process.signal('SIGCONT');
      expectEveryFrame(await watched);
    }),
  TEST_DEADLINE_MS,
);

test(
  'a worker that reads nothing costs its ingest bounded memory, viewers who read nothing their packager, and nothing is missing',
  () =>
    withLogs(cluster, async () => {
      const channel = await goLive('stalled-worker');
      const watched = watch(channel, whileWorkersChange);
      const worker = await busiest(cluster.of('transcode-worker'), 'millrace_worker_sessions');
      const ingest = await busiest(cluster.of('ingest'), 'millrace_ingest_publications');
      const [packager] = cluster.of('packager');
      if (packager === undefined) throw new Error('there is no packager');
      const session = await sessionOf(cluster, channel);
      const path = `/media/${session?.id ?? ''}/240p/index.m3u8`;
      const [ingestMb, packagerMb] = [residentMb(ingest), residentMb(packager)];
      worker.process.signal('SIGSTOP');
      const silent = Array.from({ length: SILENT_VIEWERS }, () => askWithoutReading(packager.port, path));
      await delay(STALL_MS);
      expect(residentMb(ingest) - ingestMb).toBeLessThan(MAX_GROWTH_MB);
      expect(residentMb(packager) - packagerMb).toBeLessThan(MAX_GROWTH_MB);
      worker.process.signal('SIGCONT');
      for (const socket of silent) socket.destroy();
      expectEveryFrame(await watched);
    }),
  TEST_DEADLINE_MS,
);

/** A viewer that asks for something again and again, and reads nothing. */
function askWithoutReading(port: number, path: string): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.pause().on('error', () => undefined);
  for (let asked = 0; asked < 16; asked += 1) socket.write(`GET ${path} HTTP/1.1\r\nHost: viewer\r\n\r\n`);
  return socket;
}
