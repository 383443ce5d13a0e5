/**
 * First playable: from the first byte of a real ffmpeg that publishes 1280x720p30 to the moment when every rendition of the default
 * ladder lists a segment, and that segment decodes; for SEG 1 s and SEG 2 s.
 *
 * Needs a bundled Millrace (`pnpm bundle`), ffmpeg with libx264, and a machine with nothing else to do. Options: `--help`.
 * Exit codes: 0 measured, 1 failed (also when a listed segment does not decode), 2 wrong options.
 */
import { spawnSync } from 'node:child_process';
import { feedFile, ladderFeed } from './lib/feed-file.ts';
import { startFirstByteProxy } from './lib/first-byte-proxy.ts';
import { fetchMediaPlaylist, fetchRenditionUrls } from './lib/hls-client.ts';
import type { ListedSegment, MediaPlaylist } from './lib/hls-client.ts';
import { parseOptions } from './lib/options.ts';
import { poll, publishFile } from './lib/publisher.ts';
import { figure, report } from './lib/report.ts';
import type { Figure } from './lib/report.ts';
import { startStandalone } from './lib/standalone.ts';

const options = parseOptions({
  pairs: { long: 7, short: 2, describe: 'publications of each segment duration' },
});
const POLL_MS = 10;
const RENDITIONS = 4;

/** What the time went into, in seconds since the first byte. */
interface Playable {
  /** The multivariant playlist is there. */
  readonly openSeconds: number;
  /** Every rendition lists a segment. */
  readonly playableSeconds: number;
}

async function measure(segmentSeconds: number): Promise<Playable> {
  const streamKey = 'bench-first-playable';
  const standalone = await startStandalone({
    channels: [{ name: 'bench', streamKey, settings: { segmentDuration: segmentSeconds } }],
  });
  const proxy = await startFirstByteProxy(standalone.port);
  const path = feedFile(ladderFeed(12, segmentSeconds));
  const publisher = publishFile(path, `rtmp://127.0.0.1:${proxy.port}/live/${streamKey}`);
  try {
    const firstByteAt = await poll('the first byte', () => proxy.firstByteAt(), { everyMs: 5 });
    const urls = await poll(
      'the multivariant playlist',
      () => fetchRenditionUrls(standalone.httpUrl, 'bench'),
      {
        everyMs: POLL_MS,
      },
    );
    const openSeconds = (performance.now() - firstByteAt) / 1000;
    if (urls.length !== RENDITIONS) throw new Error(`${urls.length} renditions, ${RENDITIONS} expected`);
    const playlists = await Promise.all(
      urls.map((url) => poll(`a segment in ${url}`, () => withSegment(url), { everyMs: POLL_MS })),
    );
    const playableSeconds = (performance.now() - firstByteAt) / 1000;
    for (const { initUrl, segment } of playlists) await assertDecodes(initUrl, segment.url);
    return { openSeconds, playableSeconds };
  } finally {
    await publisher.stop();
    proxy.stop();
    await standalone.stop();
  }
}

async function withSegment(
  url: string,
): Promise<(MediaPlaylist & { readonly segment: ListedSegment }) | undefined> {
  const playlist = await fetchMediaPlaylist(url);
  const segment = playlist?.segments.find(({ isGap }) => !isGap);
  return playlist === undefined || segment === undefined ? undefined : { ...playlist, segment };
}

async function assertDecodes(initUrl: string | undefined, segmentUrl: string): Promise<void> {
  const bytes = await Promise.all(
    [initUrl ?? segmentUrl, segmentUrl].map(async (url) =>
      Buffer.from(await (await fetch(url)).arrayBuffer()),
    ),
  );
  const args = ['-hide_banner', '-loglevel', 'error', '-xerror', '-err_detect', 'explode', '-i', 'pipe:0'];
  const { status, stderr } = spawnSync('ffmpeg', [...args, '-f', 'null', '-'], {
    input: Buffer.concat(bytes),
  });
  if (status !== 0) throw new Error(`${segmentUrl} does not decode: ${stderr.toString().slice(0, 500)}`);
}

const durations = [1, 2];
const measured = new Map<number, Playable[]>(durations.map((seconds) => [seconds, []]));
for (let pair = 0; pair < options.pairs; pair += 1) {
  for (const seconds of durations) {
    const playable = await measure(seconds);
    measured.get(seconds)?.push(playable);
    process.stdout.write(`SEG ${seconds} s: ${JSON.stringify(playable)}\n`);
  }
}
const figures = durations.flatMap((seconds): Figure[] => {
  const runs = measured.get(seconds) ?? [];
  return [
    figure(
      `first byte to first playable, SEG ${seconds} s`,
      runs.map(({ playableSeconds }) => playableSeconds),
      { unit: 's', target: { atMost: seconds === 1 ? 1.5 : seconds + 0.5 } },
    ),
    figure(
      `first byte to multivariant playlist, SEG ${seconds} s`,
      runs.map(({ openSeconds }) => openSeconds),
      { unit: 's' },
    ),
  ];
});
report('first-playable', figures, {
  isShort: options.isShort,
  notes: {
    how: `ffmpeg -re publishes an encoded file through a relay that notes its first byte; playlists are asked for every ${POLL_MS} ms; the first segment of each of ${RENDITIONS} renditions is decoded afterwards`,
  },
});
