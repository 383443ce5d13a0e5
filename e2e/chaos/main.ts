/**
 * Live streams under faults, one at a time, and what their viewers saw: what `scripts/chaos` runs.
 *
 *   --minutes N   how long faults happen (default 2)
 *   --seed S      the faults of an earlier run, in the same order
 *   --streams N   live streams (default 2)
 *   --overlap     several faults at once, which claims nothing but that everything recovers in the end
 *
 * The next fault comes when every stream has a worker and both packagers hold its newest segments. Exit codes: 0 no viewer lost a
 * segment, 1 somebody did, 2 wrong usage, 130 ended before its time by a signal.
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
import { canCutConnections, faultsOf, randomOf } from './faults.ts';
import type { Fault } from './faults.ts';

const RECOVERY_DEADLINE_MS = 60_000;
/** Calm between two faults: a segment and what belongs to it. */
const CALM_MS = 3000;
const CLIP_SECONDS = 600;
/** Twice what the observer keeps of a stream until it decodes it. */
const SPOOL_BYTES_PER_MINUTE = 20 * 1024 * 1024;

/** The exit code of a run that was ended before its time. */
const STOPPED = 130;
const USAGE = 'usage: scripts/chaos [--minutes N] [--seed S] [--streams N] [--overlap]\n';

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        minutes: { type: 'string', default: '2' },
        seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
        streams: { type: 'string', default: '2' },
        overlap: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(USAGE);
      process.exit(0);
    }
    const [minutes, seed, streams] = [Number(values.minutes), Number(values.seed), Number(values.streams)];
    if (!(minutes > 0)) throw new Error('--minutes is a number above 0');
    if (!Number.isInteger(seed)) throw new Error('--seed is a whole number');
    if (!Number.isInteger(streams) || streams < 1) throw new Error('--streams is a whole number above 0');
    return { minutes, seed, streams, isOverlapping: values.overlap };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${USAGE}`);
    return process.exit(2);
  }
}

const { minutes, seed, streams, isOverlapping } = readOptions();

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
      const due = Math.floor(Date.now() / 2000) - 3;
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
    maxSpoolBytes: (minutes + 10) * SPOOL_BYTES_PER_MINUTE,
  });
}

interface Faults {
  readonly random: () => number;
  readonly endsAtMs: number;
  readonly recovered: () => Promise<unknown>;
  readonly signal: AbortSignal;
}

function choose(faults: readonly Fault[], random: () => number): Fault {
  const fault = faults[Math.floor(random() * faults.length)];
  if (fault === undefined) throw new Error('there is no fault');
  return fault;
}

/** Lets one fault happen after the other; how many there were. */
async function oneByOne(faults: readonly Fault[], run: Faults): Promise<number> {
  let happened = 0;
  while (Date.now() < run.endsAtMs) {
    const fault = choose(faults, run.random);
    const startedMs = Date.now();
    await fault.happen(run.signal);
    await run.recovered();
    happened += 1;
    print(`  ${fault.name}: recovered after ${((Date.now() - startedMs) / 1000).toFixed(1)} s`);
    await delay(CALM_MS);
  }
  return happened;
}

/** Lets a fault begin every few seconds, each at something that has none; how many there were. */
async function overlap(faults: readonly Fault[], run: Faults): Promise<number> {
  const under = new Map<string, Promise<void>>();
  let happened = 0;
  while (Date.now() < run.endsAtMs) {
    const fault = choose(faults, run.random);
    if (!under.has(fault.target)) {
      print(`  ${fault.name}`);
      happened += 1;
      under.set(
        fault.target,
        fault.happen(run.signal).finally(() => under.delete(fault.target)),
      );
    }
    await delay(CALM_MS);
  }
  await Promise.all(under.values());
  await run.recovered();
  return happened;
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** Lets faults happen to live streams until the time is over; the exit code. */
async function run(cluster: Cluster, stop: AbortSignal): Promise<number> {
  const clip = await makeClip({ ...USUAL, size: '426x240', seconds: Math.min(CLIP_SECONDS, 60) });
  const stopWatching = new AbortController();
  const ladder = [SMALL_RUNG, TINY_RUNG];
  const channels = await Promise.all(
    Array.from({ length: streams }, (_, index) =>
      createChannel(cluster, `chaos-${index + 1}`, { ladder, graceSeconds: 30 }),
    ),
  );
  for (const channel of channels) void keepPublishing(channel, clip, stop);
  await Promise.all(channels.map((channel) => waitForPlayable(channel)));
  const watching = Promise.all(
    channels.map((channel) => watch(channel, AbortSignal.any([stop, stopWatching.signal]))),
  );
  const recovered = (): Promise<unknown> =>
    waitFor('everything has recovered', () => hasRecovered(cluster, channels), RECOVERY_DEADLINE_MS);
  const happening = async (): Promise<number> => {
    await recovered();
    if (!canCutConnections()) print('  connections are not cut: that takes root and `ss -K`');
    const happened = await (isOverlapping ? overlap : oneByOne)(faultsOf(cluster), {
      ...{ random: randomOf(seed), endsAtMs: Date.now() + minutes * 60_000, recovered },
      signal: stop,
    });
    stopWatching.abort();
    return happened;
  };
  // An observer that fails ends the run at once.
  const [happened, verdicts] = await Promise.all([happening(), watching]);
  for (const [index, verdict] of verdicts.entries())
    print(`${channels[index]?.name ?? ''}: ${formatVerdict(verdict)}`);
  const missing = verdicts.reduce((sum, verdict) => sum + verdict.missingSegments + verdict.tickErrors, 0);
  const violations = verdicts.reduce((sum, verdict) => sum + verdict.violationCount, 0);
  print(`chaos: ${happened} faults, ${missing} segments missing, ${violations} violations`);
  return isOverlapping || (missing === 0 && violations === 0 && happened > 0) ? 0 : 1;
}

async function main(): Promise<number> {
  print(`chaos: ${minutes} minutes, ${streams} streams, --seed ${seed}`);
  const stop = new AbortController();
  const stopped = new Promise<number>((resolve) => {
    stop.signal.addEventListener('abort', () => resolve(STOPPED), { once: true });
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      print('Stopping ...');
      stop.abort();
    });
  }
  const cluster = await startCluster();
  try {
    return await Promise.race([stopped, run(cluster, stop.signal)]);
  } catch (error) {
    process.stderr.write(`${cluster.logs()}\n${(error as Error).stack ?? ''}\n`);
    return 1;
  } finally {
    stop.abort();
    await cluster.stop();
    await stopAll();
  }
}

process.exit(await main());
