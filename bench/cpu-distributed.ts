/**
 * CPU of transcoded sessions, 1280x720 at 30 fps into the default ladder, of all separate services together over that of the ffmpegs
 * that work for them: with all that the services use without a session, and without.
 *
 * Needs bundled services (`pnpm bundle`), ffmpeg with libx264, redis-server, Java and HAProxy, and a machine with nothing else to
 * do. Options: `--help`. Exit codes: 0 measured, 1 failed, 2 wrong options.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { recordProfile } from './lib/cpu-profile.ts';
import { feedFile, ladderFeed } from './lib/feed-file.ts';
import { cpuOf } from './lib/measured-process.ts';
import type { MeasuredProcess } from './lib/measured-process.ts';
import { parseOptions } from './lib/options.ts';
import { streamKeyOf } from './lib/publication-generator.ts';
import { poll, publishFile } from './lib/publisher.ts';
import { figure, report } from './lib/report.ts';
import { startSeparateServices } from './lib/separate-services.ts';
import type { SeparateServices } from './lib/separate-services.ts';

const options = parseOptions({
  runs: { long: 5, short: 1, describe: 'runs' },
  sessions: { long: 2, short: 1, describe: 'sessions at a time' },
  seconds: { long: 30, short: 6, describe: 'seconds of media that are measured in each run' },
});
const WARM_UP_SECONDS = options.isShort ? 4 : 8;
const TAIL_SECONDS = 4;
const KEY_PREFIX = 'bench-cpu-distributed';
/** Until services that have just started have settled. */
const SETTLE_SECONDS = options.isShort ? 2 : 10;
const path = feedFile(ladderFeed(WARM_UP_SECONDS + options.seconds + TAIL_SECONDS));

/** CPU seconds so far, by service, and of ffmpeg. */
function readCpu({ instances }: SeparateServices): ReadonlyMap<string, number> {
  const seconds = new Map<string, number>();
  const add = (name: string, more: number): void => void seconds.set(name, (seconds.get(name) ?? 0) + more);
  for (const { service, process: own } of instances) {
    const { own: itself, descendants } = cpuOf(own.pid ?? 0);
    add(service, itself);
    add('ffmpeg', descendants.get('ffmpeg') ?? 0);
  }
  return seconds;
}

/** CPU seconds by service, and of ffmpeg, in a stretch without a session and in one with all of them. */
interface Run {
  readonly idle: ReadonlyMap<string, number>;
  readonly busy: ReadonlyMap<string, number>;
}

async function measureStretch(services: SeparateServices): Promise<ReadonlyMap<string, number>> {
  const before = readCpu(services);
  await delay(options.seconds * 1000);
  return new Map([...readCpu(services)].map(([name, seconds]) => [name, seconds - (before.get(name) ?? 0)]));
}

async function measure(nodeFlags: readonly string[] = []): Promise<Run> {
  const channels = Array.from({ length: options.sessions }, (_, index) => ({
    name: `bench-${index}`,
    streamKey: streamKeyOf(KEY_PREFIX, index),
    settings: { segmentDuration: 2 },
  }));
  const services = await startSeparateServices(channels, {
    env: () => ({ NODE_OPTIONS: nodeFlags.join(' ') }),
  });
  const publishers: MeasuredProcess[] = [];
  try {
    await delay(SETTLE_SECONDS * 1000);
    const idle = await measureStretch(services);
    for (const { streamKey } of channels) publishers.push(publishFile(path, `${services.rtmp}/${streamKey}`));
    for (const { name } of channels) await services.session(name);
    await poll('the ffmpeg of a session', () => (readCpu(services).get('ffmpeg') ?? 0) > 0 || undefined);
    await delay(WARM_UP_SECONDS * 1000);
    return { idle, busy: await measureStretch(services) };
  } finally {
    await Promise.all(publishers.map((publisher) => publisher.stop()));
    await services.stop();
  }
}

const runs: Run[] = [];
for (let run = 0; run < options.runs; run += 1) {
  const measured = await measure();
  runs.push(measured);
  process.stdout.write(
    `${[...measured.busy].map(([name, value]) => `${name} ${value.toFixed(2)} s`).join(', ')}\n`,
  );
}
const SERVICES = ['ingest', 'transcode-worker', 'packager', 'playlist-api'] as const;
const sum = (seconds: ReadonlyMap<string, number>): number =>
  SERVICES.reduce((total, name) => total + (seconds.get(name) ?? 0), 0);
const ffmpegOf = ({ busy }: Run): number => busy.get('ffmpeg') ?? Number.NaN;
const cores = (name: string, which: keyof Run): number[] =>
  runs.map((run) => (run[which].get(name) ?? Number.NaN) / options.seconds);

const recording = recordProfile();
await measure(recording.nodeFlags);
report(
  'cpu-distributed',
  [
    figure(
      `CPU of all separate services over CPU of their ffmpegs, ${options.sessions} sessions`,
      runs.map((run) => sum(run.busy) / ffmpegOf(run)),
      { digits: 3, target: { atMost: 0.1 } },
    ),
    figure(
      'the same, beyond what the services use without a session',
      runs.map((run) => (sum(run.busy) - sum(run.idle)) / ffmpegOf(run)),
      { digits: 3 },
    ),
    ...SERVICES.flatMap((name) => [
      figure(`cores: ${name}, all instances`, cores(name, 'busy'), { digits: 3 }),
      figure(`cores: ${name}, all instances, without a session`, cores(name, 'idle'), { digits: 3 }),
    ]),
    figure('cores: all ffmpegs', cores('ffmpeg', 'busy'), { digits: 3 }),
  ],
  {
    isShort: options.isShort,
    notes: {
      source: `${options.seconds} s of 1280x720p30, 4 Mb/s, paced by ffmpeg -re over RTMP; SEG 2 s`,
      services:
        '2 ingests, 3 workers, 2 packagers, 2 playlist-apis behind HAProxy; those without a session are counted',
    },
    profile: recording.summarize(SETTLE_SECONDS + options.seconds + WARM_UP_SECONDS),
  },
);
