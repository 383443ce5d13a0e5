/**
 * What a unit of load costs: cores that sessions take, of Millrace and ffmpeg together, over the units that they are counted as, for
 * ladders and presets of x264. Where a unit costs the same whatever the ladder, `unitsOf` is right; what it costs with a preset is
 * what `UNITS_PER_CPU` of the worker comes from.
 *
 * Needs a bundled Millrace (`pnpm bundle`), ffmpeg with libx264, and a machine with nothing else to do. Options: `--help`.
 * Exit codes: 0 measured, 1 failed, 2 wrong options.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { feedFile, ladderFeed } from './lib/feed-file.ts';
import type { FeedSpec } from './lib/feed-file.ts';
import { parseOptions } from './lib/options.ts';
import { readGauge } from './lib/read-gauge.ts';
import { poll, publishFile } from './lib/publisher.ts';
import { figure, report } from './lib/report.ts';
import { startStandalone } from './lib/standalone.ts';

const options = parseOptions({
  runs: { long: 3, short: 1, describe: 'runs of each case' },
  seconds: { long: 15, short: 4, describe: 'seconds of media that are measured in each run' },
});
const WARM_UP_SECONDS = options.isShort ? 3 : 6;
/** Media behind what is measured, so that nothing ends while it is. */
const TAIL_SECONDS = 4;

interface Case {
  readonly name: string;
  readonly ladder: readonly unknown[];
  readonly x264Preset?: string;
  readonly preset?: 'low-latency' | 'quality';
  readonly source?: Partial<FeedSpec>;
}

const rung = (width: number, height: number, bitrateBps: number): unknown => ({
  name: `${height}p`,
  ...{ width, height, bitrateBps },
});
const RUNG_720P = rung(1280, 720, 2_800_000);
const SMALLER = [rung(854, 480, 1_400_000), rung(640, 360, 800_000)];
const FULL_HD = { width: 1920, height: 1080, videoBps: 8_000_000 };

const CASES: readonly Case[] = [
  { name: '720p', ladder: [RUNG_720P] },
  { name: '360p', ladder: [rung(640, 360, 800_000)] },
  { name: '1080p', ladder: [rung(1920, 1080, 5_000_000)], source: FULL_HD },
  { name: '720p, 480p, 360p', ladder: [RUNG_720P, ...SMALLER] },
  { name: '480p, 360p at 60 fps', ladder: SMALLER, source: { frameRate: 60 } },
  { name: '720p, preset quality', ladder: [RUNG_720P], preset: 'quality' },
  ...['ultrafast', 'superfast', 'faster', 'fast', 'medium'].map((x264Preset) => ({
    name: `720p, x264 ${x264Preset}`,
    ...{ ladder: [RUNG_720P], x264Preset },
  })),
];

interface Cost {
  readonly units: number;
  readonly cores: number;
}

async function measure({
  ladder,
  x264Preset = 'veryfast',
  preset = 'low-latency',
  source,
}: Case): Promise<Cost> {
  const path = feedFile({ ...ladderFeed(WARM_UP_SECONDS + options.seconds + TAIL_SECONDS), ...source });
  const streamKey = 'bench-session-units';
  const standalone = await startStandalone({
    channels: [{ name: 'bench', streamKey, settings: { segmentDuration: 2, ladder, preset } }],
    flags: ['--worker.ffmpeg.x264Preset', x264Preset],
  });
  const publisher = publishFile(path, `${standalone.rtmpUrl}/${streamKey}`);
  try {
    await poll('the ffmpeg of the session', () => standalone.process.pidsOf('ffmpeg')[0]);
    await delay(WARM_UP_SECONDS * 1000);
    const before = standalone.process.totalCpuSeconds();
    await delay(options.seconds * 1000);
    const cores = (standalone.process.totalCpuSeconds() - before) / options.seconds;
    const shed = await readGauge(standalone, 'millrace_worker_shed_rungs');
    if (shed > 0) throw new Error('this machine is too slow for the case: a rung was left out');
    return { cores, units: await readGauge(standalone, 'millrace_worker_load_units') };
  } finally {
    await publisher.stop();
    await standalone.stop();
  }
}

const costs = new Map<Case, Cost[]>();
for (let run = 0; run < options.runs; run += 1) {
  for (const one of CASES) {
    const cost = await measure(one);
    costs.set(one, [...(costs.get(one) ?? []), cost]);
    process.stdout.write(`${one.name}: ${cost.units.toFixed(2)} units, ${cost.cores.toFixed(2)} cores\n`);
  }
}
report(
  'session-units',
  [...costs].map(([{ name }, measured]) =>
    figure(
      `cores a unit takes: ${name} (${measured[0]?.units.toFixed(2)} units)`,
      measured.map(({ cores, units }) => cores / units),
    ),
  ),
  {
    isShort: options.isShort,
    notes: {
      source: '1280x720p30, 4 Mb/s; 1920x1080p30, 8 Mb/s; noise over a moving pattern',
      'what is counted': 'all of Millrace in one process, and its ffmpeg',
    },
  },
);
