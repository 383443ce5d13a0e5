/**
 * RTMP publications per core, 1 Mbps each, no subscriber: Millrace beside nginx's RTMP module and Node-Media-Server on the same
 * feed. The server has core 0, the generator core 1; a count is the highest at which no publication is more than 1 s late.
 *
 * Needs a bundled Millrace (`pnpm bundle`), two cores, ffmpeg, taskset (util-linux), nginx-light and libnginx-mod-rtmp;
 * `scripts/bench` installs them. Millrace runs whole, with `source` as the only rung and a worker that takes one session, so that
 * what is counted is ingest. Options: `--help`. Exit codes: 0 measured, 1 failed, 2 wrong options.
 */
import { recordProfile } from './lib/cpu-profile.ts';
import { GENERATOR_CORE, SERVER_CORE, pinToCore } from './lib/measured-process.ts';
import type { MeasuredServer } from './lib/measured-server.ts';
import { startNginxRtmp } from './lib/nginx.ts';
import { nodeMediaServerVersion, startNodeMediaServer } from './lib/node-media-server.ts';
import { parseOptions } from './lib/options.ts';
import { streamKeyOf } from './lib/publication-generator.ts';
import { searchPublications } from './lib/publication-search.ts';
import type { SearchResult } from './lib/publication-search.ts';
import { figure, report } from './lib/report.ts';
import { summarize } from './lib/statistics.ts';
import { startStandalone } from './lib/standalone.ts';

const options = parseOptions({
  pairs: { long: 5, short: 1, describe: 'rounds over all servers' },
  seconds: { long: 10, short: 2, describe: 'how long each number of publications has to be in time' },
  probe: { long: 200, short: 100, describe: 'publications to start with' },
  max: { long: 9000, short: 300, describe: 'publications that are tried at most' },
});
/** Left out of the profile. */
const START_SECONDS = 4;
const KEY_PREFIX = 'bench';

function startMillrace(nodeFlags: readonly string[] = []): Promise<MeasuredServer> {
  return startStandalone({
    channels: Array.from({ length: options.max }, (_, index) => ({
      name: `c${index}`,
      streamKey: streamKeyOf(KEY_PREFIX, index),
      settings: { ladder: ['source'] },
    })),
    flags: [
      ...['--worker.capacityUnits', '0.1'],
      ...['--ingest.limits.connections', String(options.max + 100)],
    ],
    nodeFlags,
    core: SERVER_CORE,
  });
}

async function search(start: () => Promise<MeasuredServer>): Promise<SearchResult> {
  const server = await start();
  try {
    return await searchPublications(server, KEY_PREFIX, {
      holdSeconds: options.seconds,
      probeCount: options.probe,
      maxCount: options.max,
    });
  } finally {
    await server.stop();
  }
}

pinToCore(GENERATOR_CORE);
const servers: Readonly<Record<string, () => Promise<MeasuredServer>>> = {
  Millrace: startMillrace,
  'nginx-rtmp': () => startNginxRtmp({ hasHls: false }),
  'Node-Media-Server': startNodeMediaServer,
};
const results = new Map<string, SearchResult[]>(Object.keys(servers).map((name) => [name, []]));
for (let pair = 0; pair < options.pairs; pair += 1) {
  for (const [name, start] of Object.entries(servers)) {
    const result = await search(start);
    results.get(name)?.push(result);
    process.stdout.write(`${name}: ${JSON.stringify(result)}\n`);
  }
}

const of = (name: string, take: (result: SearchResult) => number): number[] =>
  (results.get(name) ?? []).map(take);
const ratios = (other: string, take: (result: SearchResult) => number): number[] =>
  of('Millrace', take).map((value, pair) => value / (of(other, take)[pair] ?? Number.NaN));
/** Publications that the CPU of one core is enough for, by what each costs. */
const affordable = (result: SearchResult): number => 1 / result.cpuShare;
const figures = [
  figure(
    'RTMP publications per core over Node-Media-Server’s',
    ratios('Node-Media-Server', ({ count }) => count),
    {
      target: { atLeast: 2 },
    },
  ),
  figure(
    'RTMP publications per core over nginx-rtmp’s',
    ratios('nginx-rtmp', ({ count }) => count),
    {
      target: { atLeast: 0.6 },
    },
  ),
  ...Object.keys(servers).map((name) =>
    figure(
      `${name}: publications, none more than 1 s late`,
      of(name, ({ count }) => count),
      { digits: 0 },
    ),
  ),
  ...Object.keys(servers).map((name) =>
    figure(`${name}: publications one core’s CPU is enough for`, of(name, affordable), { digits: 0 }),
  ),
  figure('CPU per publication, Node-Media-Server over Millrace', ratios('Node-Media-Server', affordable)),
  figure('CPU per publication, nginx-rtmp over Millrace', ratios('nginx-rtmp', affordable)),
];
const limits = [...results].map(([name, list]) => `${name} ${list.map(({ limit }) => limit).join(', ')}`);
const load = Object.keys(servers).map(
  (name) => `${name} ${summarize(of(name, ({ generatorLoad }) => generatorLoad)).median.toFixed(2)}`,
);

async function profile(): Promise<readonly string[]> {
  const recording = recordProfile();
  await search(() => startMillrace(recording.nodeFlags));
  return recording.summarize(START_SECONDS);
}

report('rtmp-publications', figures, {
  isShort: options.isShort,
  notes: {
    'Node-Media-Server': nodeMediaServerVersion(),
    'the search was ended by': limits.join('; '),
    'core of the generator in use at the count': load.join('; '),
    Millrace: 'the whole standalone with `source` as the only rung; its worker takes one session',
  },
  profile: figures.every(({ isReached }) => isReached) ? undefined : await profile(),
});
