/**
 * Origin: requests per core for a 500 kB segment and a 3 kB media playlist over 64 keep-alive HTTP/1.1 connections, the packager's
 * `/media` beside nginx with one worker and sendfile that serves the very same bytes from files. The server has core 0, wrk core 1.
 *
 * A channel of 4 Mbps with `source` as the only rung and segments of 1 s is published until its playlist has 3 kB, then the encoder
 * leaves and the session waits for it, so that nothing changes while it is measured. Needs a bundled Millrace (`pnpm bundle`), two cores, ffmpeg, wrk,
 * taskset (util-linux) and nginx-light; `scripts/bench` installs them. Options: `--help`. Exit codes: 0 measured, 1 failed,
 * 2 wrong options.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { recordProfile } from './lib/cpu-profile.ts';
import { feedFile, ONE_MBPS_FEED } from './lib/feed-file.ts';
import { fetchMediaPlaylist, fetchRenditionUrls } from './lib/hls-client.ts';
import { loadUrl } from './lib/http-load.ts';
import type { LoadResult } from './lib/http-load.ts';
import { GENERATOR_CORE, pinToCore, SERVER_CORE } from './lib/measured-process.ts';
import { startNginxOrigin } from './lib/nginx.ts';
import { parseOptions } from './lib/options.ts';
import { poll } from './lib/publisher.ts';
import { PublicationGenerator, streamKeyOf } from './lib/publication-generator.ts';
import { figure, report } from './lib/report.ts';
import type { Figure } from './lib/report.ts';
import { startStandalone } from './lib/standalone.ts';
import type { RunningStandalone } from './lib/standalone.ts';
import { summarize } from './lib/statistics.ts';

const options = parseOptions({
  pairs: { long: 5, short: 1, describe: 'interleaved pairs' },
  seconds: { long: 10, short: 2, describe: 'seconds of load for each object and server' },
  connections: { long: 64, short: 64, describe: 'keep-alive connections' },
  playlistBytes: { long: 3000, short: 3000, describe: 'size the playlist has to reach first' },
});
/** Left out of the profile. */
const START_SECONDS = 4;
const KEY_PREFIX = 'bench-origin';
const WINDOW_SEGMENTS = 60;
const TARGET_SHARE = 0.5;
/** Short, so that the playlist is soon as long as it has to be: 3 kB are some forty rows. */
const SEGMENT_SECONDS = 1;
const FEED = {
  ...ONE_MBPS_FEED,
  width: 1280,
  height: 720,
  videoBps: 3_870_000,
  keyframeSeconds: SEGMENT_SECONDS,
};

interface Objects {
  readonly standalone: RunningStandalone;
  readonly playlistUrl: string;
  readonly segmentUrl: string;
}

/** A Millrace whose only session waits for its encoder, with a full window. */
async function prepare(nodeFlags: readonly string[] = []): Promise<Objects> {
  const standalone = await startStandalone({
    channels: [
      {
        name: 'bench',
        streamKey: streamKeyOf(KEY_PREFIX, 0),
        settings: {
          ladder: ['source'],
          segmentDuration: SEGMENT_SECONDS,
          windowSegments: WINDOW_SEGMENTS,
          graceSeconds: 3600,
        },
      },
    ],
    nodeFlags,
    core: SERVER_CORE,
  });
  const generator = new PublicationGenerator({
    port: standalone.port,
    keyPrefix: KEY_PREFIX,
    feedPath: feedFile(FEED),
    loopMs: FEED.seconds * 1000,
  });
  try {
    await generator.growTo(1);
    const playlistUrl = await poll('the media playlist', async () => {
      const urls = await fetchRenditionUrls(standalone.httpUrl, 'bench');
      return urls?.find((url) => url.includes('/source/'));
    });
    const isLongEnough = async (): Promise<true | undefined> => {
      const text = await (await fetch(playlistUrl)).text();
      return text.length >= options.playlistBytes ? true : undefined;
    };
    await poll(`a playlist of ${options.playlistBytes} bytes`, isLongEnough, {
      everyMs: 500,
      deadlineMs: 180_000,
    });
    await generator.stop();
    // The session hears that its encoder is gone and writes its last row.
    await delay(2000);
    const playlist = await fetchMediaPlaylist(playlistUrl);
    const segment = playlist?.segments.findLast(
      ({ isGap, durationSeconds }) => !isGap && durationSeconds > SEGMENT_SECONDS * 0.95,
    );
    if (segment === undefined) throw new Error('the playlist lists no whole segment');
    return { standalone, playlistUrl, segmentUrl: segment.url };
  } catch (error) {
    await generator.stop();
    await standalone.stop();
    throw error;
  }
}

async function profile(): Promise<readonly string[]> {
  const recording = recordProfile();
  const { standalone, playlistUrl, segmentUrl } = await prepare(recording.nodeFlags);
  for (const url of [playlistUrl, segmentUrl]) await loadUrl(url, standalone.process, options);
  await standalone.stop();
  return recording.summarize(START_SECONDS);
}

pinToCore(GENERATOR_CORE);
const { standalone, playlistUrl, segmentUrl } = await prepare();
const nginx = await startNginxOrigin();
const results = {
  segment: { millrace: [] as LoadResult[], nginx: [] as LoadResult[] },
  playlist: { millrace: [] as LoadResult[], nginx: [] as LoadResult[] },
};
const sizes: Record<string, number> = {};
try {
  const objects = [
    { kind: 'segment', url: segmentUrl, file: 'segment.m4s' },
    { kind: 'playlist', url: playlistUrl, file: 'index.m3u8' },
  ] as const;
  for (const { kind, url, file } of objects) {
    const bytes = Buffer.from(await (await fetch(url)).arrayBuffer());
    writeFileSync(join(nginx.root, file), bytes);
    sizes[kind] = bytes.length;
  }
  for (let pair = 0; pair < options.pairs; pair += 1) {
    for (const { kind, url, file } of objects) {
      results[kind].millrace.push(await loadUrl(url, standalone.process, options));
      results[kind].nginx.push(
        await loadUrl(`http://127.0.0.1:${nginx.port}/${file}`, nginx.process, options),
      );
      process.stdout.write(
        `${kind}: ${JSON.stringify([results[kind].millrace.at(-1), results[kind].nginx.at(-1)])}\n`,
      );
    }
  }
} finally {
  await standalone.stop();
  await nginx.stop();
}

const figures = (['segment', 'playlist'] as const).flatMap((kind): Figure[] => {
  const { millrace, nginx: other } = results[kind];
  const perCore = (list: readonly LoadResult[]): number[] =>
    list.map(({ requestsPerCpuSecond }) => requestsPerCpuSecond);
  const size = `${((sizes[kind] ?? 0) / 1000).toFixed(1)} kB ${kind}`;
  return [
    figure(
      `requests per core over nginx’s, ${size}`,
      millrace.map(
        ({ requestsPerCpuSecond }, pair) => requestsPerCpuSecond / (perCore(other)[pair] ?? Number.NaN),
      ),
      { target: { atLeast: TARGET_SHARE } },
    ),
    figure(`requests per CPU second, ${size}`, perCore(millrace), { digits: 0 }),
    figure(`the same, nginx`, perCore(other), { digits: 0 }),
    figure(
      `requests per second, ${size}`,
      millrace.map(({ requestsPerSecond }) => requestsPerSecond),
      { digits: 0 },
    ),
    figure(
      `the same, nginx`,
      other.map(({ requestsPerSecond }) => requestsPerSecond),
      { digits: 0 },
    ),
  ];
});
const load = (list: readonly LoadResult[]): string =>
  summarize(list.map(({ serverLoad }) => serverLoad)).median.toFixed(2);
report('origin', figures, {
  isShort: options.isShort,
  notes: {
    how: `wrk, ${options.connections} keep-alive connections; a request per core is one per second of the server’s CPU, since wrk on the other core may end first`,
    'core of the server in use': (['segment', 'playlist'] as const)
      .map((kind) => `${kind}: Millrace ${load(results[kind].millrace)}, nginx ${load(results[kind].nginx)}`)
      .join('; '),
  },
  profile: figures.every(({ isReached }) => isReached) ? undefined : await profile(),
});
