/**
 * Channels per core from RTMP to HLS with `source` as the only rung, 1 Mbps each, segments of 2 s: Millrace (fragmented MP4 from
 * memory) beside nginx's RTMP module with `hls on` (MPEG-TS to files). The server has core 0, the generator core 1; a count is the
 * highest at which no publication is more than 1 s late and no playlist lags its segment duration by more than 1 s.
 *
 * Needs a bundled Millrace (`pnpm bundle`), two cores, ffmpeg, taskset (util-linux), nginx-light and libnginx-mod-rtmp;
 * `scripts/bench` installs them. Options: `--help`. Exit codes: 0 measured, 1 failed, 2 wrong options.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { recordProfile } from './lib/cpu-profile.ts';
import { fetchMediaPlaylist, fetchRenditionUrls } from './lib/hls-client.ts';
import { GENERATOR_CORE, pinToCore, SERVER_CORE } from './lib/measured-process.ts';
import { startNginxRtmp } from './lib/nginx.ts';
import { parseOptions } from './lib/options.ts';
import { streamKeyOf } from './lib/publication-generator.ts';
import { searchPublications } from './lib/publication-search.ts';
import type { SearchResult, SearchedServer } from './lib/publication-search.ts';
import { figure, report } from './lib/report.ts';
import { startStandalone } from './lib/standalone.ts';

const options = parseOptions({
  pairs: { long: 5, short: 1, describe: 'interleaved pairs' },
  seconds: { long: 10, short: 3, describe: 'how long each number of channels has to be in time' },
  probe: { long: 50, short: 20, describe: 'channels to start with' },
  max: { long: 1000, short: 100, describe: 'channels that are tried at most' },
});
/** Left out of the profile. */
const START_SECONDS = 4;
const KEY_PREFIX = 'bench';
const SEGMENT_SECONDS = 2;

async function startMillrace(nodeFlags: readonly string[] = []): Promise<SearchedServer> {
  const standalone = await startStandalone({
    channels: Array.from({ length: options.max }, (_, index) => ({
      name: `c${index}`,
      streamKey: streamKeyOf(KEY_PREFIX, index),
      settings: { ladder: ['source'], segmentDuration: SEGMENT_SECONDS },
    })),
    flags: [
      ...['--worker.capacityUnits', String(options.max)],
      ...['--ingest.limits.connectionsPerAddress', String(options.max + 100)],
    ],
    nodeFlags,
    core: SERVER_CORE,
  });
  return {
    ...standalone,
    async playlistAgeMs(index) {
      const [url] = (await fetchRenditionUrls(standalone.httpUrl, `c${index}`)) ?? [];
      const last = url === undefined ? undefined : (await fetchMediaPlaylist(url))?.segments.at(-1);
      if (last?.startMs === undefined || last.isGap) return Infinity;
      return Date.now() - (last.startMs + last.durationSeconds * 1000);
    },
  };
}

async function startNginx(): Promise<SearchedServer> {
  const nginx = await startNginxRtmp({ hasHls: true });
  return {
    ...nginx,
    playlistAgeMs: (index) =>
      Promise.resolve(
        Date.now() - statSync(join(nginx.root, `${streamKeyOf(KEY_PREFIX, index)}.m3u8`)).mtimeMs,
      ),
  };
}

async function search(start: () => Promise<SearchedServer>): Promise<SearchResult> {
  const server = await start();
  try {
    return await searchPublications(server, KEY_PREFIX, {
      holdSeconds: options.seconds,
      probeCount: options.probe,
      maxCount: options.max,
      maxPlaylistAgeMs: (SEGMENT_SECONDS + 1) * 1000,
    });
  } finally {
    await server.stop();
  }
}

pinToCore(GENERATOR_CORE);
const millrace: SearchResult[] = [];
const nginx: SearchResult[] = [];
for (let pair = 0; pair < options.pairs; pair += 1) {
  millrace.push(await search(startMillrace));
  nginx.push(await search(startNginx));
  process.stdout.write(
    `Millrace ${JSON.stringify(millrace.at(-1))}\nnginx ${JSON.stringify(nginx.at(-1))}\n`,
  );
}
const counts = (results: readonly SearchResult[]): number[] => results.map(({ count }) => count);
const affordable = (results: readonly SearchResult[]): number[] =>
  results.map(({ cpuShare }) => 1 / cpuShare);
const ratios = (values: readonly number[], others: readonly number[]): number[] =>
  values.map((value, pair) => value / (others[pair] ?? Number.NaN));
const limits = (results: readonly SearchResult[]): string => results.map(({ limit }) => limit).join(', ');
const recording = recordProfile();
await search(() => startMillrace(recording.nodeFlags));
report(
  'channels-per-core',
  [
    figure('channels per core, RTMP to HLS without encoding', counts(millrace), { digits: 0 }),
    figure('the same, nginx-rtmp with `hls on`', counts(nginx), { digits: 0 }),
    figure('channels per core over nginx-rtmp’s', ratios(counts(millrace), counts(nginx))),
    figure('channels one core’s CPU is enough for', affordable(millrace), { digits: 0 }),
    figure('the same, nginx-rtmp with `hls on`', affordable(nginx), { digits: 0 }),
  ],
  {
    isShort: options.isShort,
    notes: {
      'the search was ended by': `Millrace ${limits(millrace)}; nginx ${limits(nginx)}`,
      'what is made': 'Millrace: fragmented MP4 in memory, audio apart; nginx: MPEG-TS in files, muxed',
    },
    profile: recording.summarize(START_SECONDS),
  },
);
