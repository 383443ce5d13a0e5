/**
 * Live streams under faults, one at a time, and what their viewers saw: what `scripts/chaos` runs.
 *
 *   --minutes N   how long faults happen (default 2)
 *   --seed S      the faults of an earlier run, in the same order
 *   --streams N   live streams (default 2)
 *
 * The next fault comes when every stream has a worker and both packagers hold its newest segments. Exit codes: 0 no viewer lost a
 * segment, 1 somebody did, 2 wrong usage.
 */
import { parseArgs } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';
import { observe } from '../observer/observe.ts';
import type { Verdict } from '../observer/verdict.ts';
import { formatVerdict } from '../observer/verdict.ts';
import { stopAll } from '../verbs/children.ts';
import { makeClip, USUAL } from '../verbs/clip.ts';
import { startCluster } from '../verbs/deployment.ts';
import type { Cluster } from '../verbs/deployment.ts';
import { SEG, SMALL_RUNG, TINY_RUNG } from '../verbs/form.ts';
import { api, createChannel, sessionOf, waitForPlayable } from '../verbs/millrace.ts';
import type { Channel } from '../verbs/millrace.ts';
import { publish } from '../verbs/publish.ts';
import { waitFor } from '../verbs/wait-for.ts';
import { faultsOf, randomOf } from './faults.ts';

const RECOVERY_DEADLINE_MS = 60_000;
/** Calm between two faults: a segment and what belongs to it. */
const CALM_MS = 3000;
const CLIP_SECONDS = 600;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    streams: { type: 'string', default: '2' },
  },
});
const [minutes, seed, streams] = [Number(values.minutes), Number(values.seed), Number(values.streams)];
if (!(minutes > 0) || !Number.isInteger(seed) || !Number.isInteger(streams) || streams < 1) {
  process.stderr.write('usage: scripts/chaos [--minutes N] [--seed S] [--streams N]\n');
  process.exit(2);
}

/** An encoder that comes back whenever its connection ends, until it is told not to. */
async function keepPublishing(
  channel: Channel,
  clip: Awaited<ReturnType<typeof makeClip>>,
  stopped: AbortSignal,
) {
  while (!stopped.aborted) {
    const encoder = publish(channel.publishUrl, clip, { isLooping: true });
    stopped.addEventListener('abort', () => void encoder.stop(), { once: true });
    await encoder.ended;
    await delay(500, undefined, { signal: stopped }).catch(() => undefined);
  }
}

/** Every stream has a worker, and every packager that is there serves its newest segments. */
async function hasRecovered(cluster: Cluster, channels: readonly Channel[]): Promise<boolean> {
  const checks = await Promise.all(
    channels.map(async (channel) => {
      const session = await sessionOf(cluster, channel);
      if (session?.state !== 'live') return false;
      const { worker } = await api<{ worker?: string }>(cluster, 'GET', `/sessions/${session.id}`);
      const newest = await Promise.all(
        cluster.of('packager').map(async ({ port }) => {
          const url = `http://127.0.0.1:${port}/media/${session.id}/audio/index.m3u8`;
          const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
          return Number(/(\d+)\.m4s\s*$/.exec(await response.text())?.[1] ?? 0);
        }),
      );
      // The newest segment that can be complete, and the one before it.
      const due = Math.floor(Date.now() / 2000) - 4;
      return worker !== undefined && newest.every((k) => k >= due);
    }),
  ).catch(() => [false]);
  return checks.every(Boolean);
}

function watch(channel: Channel, stopped: AbortSignal): Promise<Verdict> {
  return observe({
    ...{ hls: channel.hls, dash: channel.dash, segmentDuration: SEG, isContinuous: () => false },
    until: () => stopped.aborted,
    deadlineMs: (minutes + 10) * 60_000,
  });
}

async function main(): Promise<number> {
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  print(`chaos: ${minutes} minutes, ${streams} streams, --seed ${seed}`);
  const [cluster, clip] = await Promise.all([
    startCluster(),
    makeClip({ ...USUAL, size: '426x240', seconds: Math.min(CLIP_SECONDS, 60) }),
  ]);
  const stop = new AbortController();
  const stopWatching = new AbortController();
  try {
    const ladder = [SMALL_RUNG, TINY_RUNG];
    const channels = await Promise.all(
      Array.from({ length: streams }, (_, index) =>
        createChannel(cluster, `chaos-${index + 1}`, { ladder, graceSeconds: 30 }),
      ),
    );
    for (const channel of channels) void keepPublishing(channel, clip, stop.signal);
    await Promise.all(channels.map(waitForPlayable));
    const watching = channels.map((channel) => watch(channel, stopWatching.signal));
    const recovered = (): Promise<unknown> =>
      waitFor('everything has recovered', () => hasRecovered(cluster, channels), RECOVERY_DEADLINE_MS);
    await recovered();
    const random = randomOf(seed);
    const faults = faultsOf(cluster);
    const endsAtMs = Date.now() + minutes * 60_000;
    let happened = 0;
    while (Date.now() < endsAtMs) {
      const fault = faults[Math.floor(random() * faults.length)];
      if (fault === undefined) throw new Error('there is no fault');
      const startedMs = Date.now();
      await fault.happen(stop.signal);
      await recovered();
      happened += 1;
      print(`  ${fault.name}: recovered after ${((Date.now() - startedMs) / 1000).toFixed(1)} s`);
      await delay(CALM_MS);
    }
    stopWatching.abort();
    const verdicts = await Promise.all(watching);
    for (const [index, verdict] of verdicts.entries())
      print(`${channels[index]?.name ?? ''}: ${formatVerdict(verdict)}`);
    const missing = verdicts.reduce((sum, verdict) => sum + verdict.missingSegments + verdict.tickErrors, 0);
    const violations = verdicts.reduce((sum, verdict) => sum + verdict.violationCount, 0);
    print(`chaos: ${happened} faults, ${missing} segments missing, ${violations} violations`);
    return missing === 0 && violations === 0 && happened > 0 ? 0 : 1;
  } catch (error) {
    process.stderr.write(`${cluster.logs()}\n${(error as Error).stack ?? ''}\n`);
    return 1;
  } finally {
    stop.abort();
    stopWatching.abort();
    await cluster.stop();
    await stopAll();
  }
}

process.exit(await main());
