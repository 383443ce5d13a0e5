/**
 * Resident memory over time: Millrace in one process and its ffmpegs, with live sessions on the default ladder at a small size and on
 * `source`; samples every 10 s, slope in MB per hour by least squares after a warm-up.
 *
 * Needs a bundled Millrace (`pnpm bundle`) and ffmpeg with libx264. Options: `--help`. Exit codes: 0 measured, 1 failed, 2 wrong
 * options.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { feedFile, ONE_MBPS_FEED } from './lib/feed-file.ts';
import { GENERATOR_CORE, rssOf } from './lib/measured-process.ts';
import { parseOptions } from './lib/options.ts';
import { poll, publishFile } from './lib/publisher.ts';
import { PublicationGenerator, streamKeyOf } from './lib/publication-generator.ts';
import { figure, report } from './lib/report.ts';
import { startStandalone } from './lib/standalone.ts';
import { fitLine, summarize } from './lib/statistics.ts';

const options = parseOptions({
  minutes: { long: 60, short: 0.35, describe: 'minutes to watch, warm-up included' },
  sessions: {
    long: 20,
    short: 3,
    describe: 'sessions with `source` as the only rung, beside one that is transcoded',
  },
  every: { long: 10, short: 1, describe: 'seconds between samples' },
});
/** Windows and rings are full after a minute; V8 takes some 20 more until its heap has the size that it keeps. */
const WARM_UP_SHARE = 1 / 2;
/** What a process may grow by and still be called flat: less than its own garbage moves it. */
const FLAT_MB_PER_HOUR = 10;
const TRANSCODED_KEY = 'bench-memory-transcoded';
const KEY_PREFIX = 'bench';

const standalone = await startStandalone({
  channels: [
    {
      name: 'transcoded',
      streamKey: TRANSCODED_KEY,
      settings: { ladder: [{ name: '240p', width: 426, height: 240, bitrateBps: 400_000 }] },
    },
    ...Array.from({ length: options.sessions }, (_, index) => ({
      name: `c${index}`,
      streamKey: streamKeyOf(KEY_PREFIX, index),
      settings: { ladder: ['source'] },
    })),
  ],
  flags: ['--worker.capacityUnits', String(options.sessions + 1)],
});
const feedPath = feedFile(ONE_MBPS_FEED);
const loopMs = ONE_MBPS_FEED.seconds * 1000;
const generator = new PublicationGenerator({
  port: standalone.port,
  keyPrefix: KEY_PREFIX,
  feedPath,
  loopMs,
});
const publisher = publishFile(feedPath, `${standalone.rtmpUrl}/${TRANSCODED_KEY}`, { loops: true });
const own: [hours: number, mb: number][] = [];
const ffmpeg: [hours: number, mb: number][] = [];
const ffmpegPids = new Set<number>();
try {
  await generator.growTo(options.sessions);
  await poll('the ffmpeg of the transcoded session', () => standalone.process.pidsOf('ffmpeg')[0]);
  const startedAt = performance.now();
  const hours = (): number => (performance.now() - startedAt) / 3_600_000;
  while (hours() * 60 < options.minutes) {
    await delay(options.every * 1000);
    const pids = standalone.process.pidsOf('ffmpeg');
    for (const pid of pids) ffmpegPids.add(pid);
    own.push([hours(), rssOf(standalone.process.pid) / 1e6]);
    ffmpeg.push([hours(), pids.reduce((sum, pid) => sum + rssOf(pid), 0) / 1e6]);
    const { publishing } = await generator.status();
    if (publishing !== options.sessions)
      throw new Error(`${publishing} of ${options.sessions} publications are left`);
  }
} finally {
  await publisher.stop();
  await generator.stop();
  await standalone.stop();
}

const warm = (points: readonly [number, number][]): [number, number][] =>
  points.filter(([at]) => at * 60 >= options.minutes * WARM_UP_SHARE);
const slope = (points: readonly [number, number][]): number => fitLine(warm(points)).slope;
const megabytes = (points: readonly [number, number][]): number[] => warm(points).map(([, mb]) => mb);
const perMinute = (points: readonly [number, number][]): string =>
  points
    .filter((_, index) => index % Math.max(1, Math.round(60 / options.every)) === 0)
    .map(([, mb]) => mb.toFixed(0))
    .join(' ');
report(
  'memory',
  [
    figure('growth of Millrace’s resident memory', [slope(own)], {
      digits: 1,
      unit: 'MB/h',
      target: { atMost: FLAT_MB_PER_HOUR },
    }),
    figure('growth of its ffmpeg’s resident memory', [slope(ffmpeg)], {
      digits: 1,
      unit: 'MB/h',
      target: { atMost: FLAT_MB_PER_HOUR },
    }),
    figure('resident memory of Millrace', megabytes(own), { digits: 0, unit: 'MB' }),
    figure('resident memory of its ffmpeg', megabytes(ffmpeg), { digits: 0, unit: 'MB' }),
  ],
  {
    isShort: options.isShort,
    notes: {
      how: `${options.minutes} minutes, ${options.sessions} sessions of 1 Mbps on \`source\` and one transcoded to 426x240; the first ${Math.round(WARM_UP_SHARE * 100)} % are warm-up`,
      'ffmpeg processes of the transcoded session': String(ffmpegPids.size),
      'generator core': String(GENERATOR_CORE),
      'Millrace, MB each minute': perMinute(own),
      'ffmpeg, MB each minute': perMinute(ffmpeg),
      'spread after the warm-up': `${(summarize(megabytes(own)).max - summarize(megabytes(own)).min).toFixed(1)} MB`,
    },
  },
);
