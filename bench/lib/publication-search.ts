import { setTimeout as delay } from 'node:timers/promises';
import { ONE_MBPS_FEED, feedFile } from './feed-file.ts';
import { rssOf } from './measured-process.ts';
import type { MeasuredServer } from './measured-server.ts';
import { PublicationGenerator } from './publication-generator.ts';
import { longestSocketQueueBytes } from './socket-queues.ts';

/** The feed's pace. */
const BYTES_PER_SECOND = 125_000;
const LATE_BYTES = BYTES_PER_SECOND;
/** Beyond this the generator no longer sends on time. */
const GENERATOR_LAG_MS = 500;
const FIRST_SHARE = 0.6;
const STEP_SHARE = 0.05;

/** A server whose playlists can be watched as well. */
export interface SearchedServer extends MeasuredServer {
  /** How long ago the newest segment of a publication ended, in ms. */
  playlistAgeMs?(index: number): Promise<number>;
}

/** How long to look, and how far. */
export interface SearchOptions {
  /** How long each number of publications has to be in time. */
  readonly holdSeconds: number;
  /** Publications at which CPU per publication is taken, before the search. */
  readonly probeCount: number;
  readonly maxCount: number;
  /** With playlists: a publication whose newest segment ended longer ago is late. */
  readonly maxPlaylistAgeMs?: number;
}

/** Publications whose playlists are looked at. */
const PLAYLIST_SAMPLES = 8;
/** A playlist that is not there after the first segments is late. */
const FIRST_PLAYLIST_MS = 8000;

/** What one server can take on its core. */
export interface SearchResult {
  /** Highest count of publications none of which was more than 1 s late. */
  readonly count: number;
  /** What ended the search: the server fell behind, the generator did, or there was nothing more to try. */
  readonly limit: 'server' | 'generator' | 'maximum';
  /** Server's CPU seconds per second of one publication, at the probe and at `count`. */
  readonly probeCpuShare: number;
  readonly cpuShare: number;
  /** Server's share of its core at `count`. */
  readonly serverLoad: number;
  readonly generatorLoad: number;
  readonly rssMb: number;
}

interface Sample {
  readonly isLate: boolean;
  readonly isGeneratorLate: boolean;
  readonly serverLoad: number;
  readonly generatorLoad: number;
}

/**
 * Adds publications of 1 Mbps until one of them is more than 1 s late.
 *
 * Late is what waits between the generator's write and the server's read, divided by the feed's pace. The first step is 60 % of what
 * the CPU at `probeCount` promises, each further one 5 % of it.
 */
export async function searchPublications(
  server: SearchedServer,
  keyPrefix: string,
  options: SearchOptions,
): Promise<SearchResult> {
  const generator = new PublicationGenerator({
    port: server.port,
    keyPrefix,
    feedPath: feedFile(ONE_MBPS_FEED),
    loopMs: ONE_MBPS_FEED.seconds * 1000,
  });
  try {
    await generator.growTo(options.probeCount);
    await delay(options.maxPlaylistAgeMs === undefined ? 1000 : FIRST_PLAYLIST_MS);
    const probe = await hold(server, generator, options, options.probeCount);
    if (probe.isLate) throw new Error(`late already with ${options.probeCount} publications`);
    const probeCpuShare = probe.serverLoad / options.probeCount;
    const promised = 1 / Math.max(probeCpuShare, 1e-5);
    const step = Math.max(1, Math.round(promised * STEP_SHARE));
    let reached = { count: options.probeCount, sample: probe };
    let limit: SearchResult['limit'] = 'maximum';
    for (let count = Math.round(promised * FIRST_SHARE); limit === 'maximum'; count += step) {
      const wanted = Math.min(count, options.maxCount);
      if (wanted <= reached.count) break;
      await generator.growTo(wanted);
      // New channels have no playlist yet; those of before are watched.
      const sample = await hold(server, generator, options, reached.count);
      if (sample.isLate) limit = 'server';
      else if (sample.isGeneratorLate) limit = 'generator';
      else reached = { count: wanted, sample };
    }
    const { count, sample } = reached;
    return {
      count,
      limit,
      probeCpuShare,
      cpuShare: sample.serverLoad / count,
      serverLoad: sample.serverLoad,
      generatorLoad: sample.generatorLoad,
      rssMb: rssOf(server.process.pid) / 1e6,
    };
  } finally {
    await generator.stop();
  }
}

/** Watches for a while; ends early when a publication is late. */
async function hold(
  server: SearchedServer,
  generator: PublicationGenerator,
  options: SearchOptions,
  withPlaylists: number,
): Promise<Sample> {
  const startedAt = performance.now();
  const serverCpu = server.process.totalCpuSeconds();
  const { cpuSeconds: generatorCpu } = await generator.status();
  let isLate = false;
  let isGeneratorLate = false;
  let last = generatorCpu;
  while (performance.now() - startedAt < options.holdSeconds * 1000 && !isLate) {
    await delay(500);
    const status = await generator.status();
    if (status.lost > 0) throw new Error(`${status.lost} publications were ended by the server`);
    last = status.cpuSeconds;
    isGeneratorLate ||= status.lagMs > GENERATOR_LAG_MS;
    isLate = status.waitingBytes + longestSocketQueueBytes(server.port) > LATE_BYTES;
  }
  isLate ||= await arePlaylistsLate(server, options.maxPlaylistAgeMs, withPlaylists);
  const elapsed = (performance.now() - startedAt) / 1000;
  return {
    isLate,
    isGeneratorLate,
    serverLoad: (server.process.totalCpuSeconds() - serverCpu) / elapsed,
    generatorLoad: (last - generatorCpu) / elapsed,
  };
}

async function arePlaylistsLate(
  server: SearchedServer,
  maxAgeMs: number | undefined,
  count: number,
): Promise<boolean> {
  if (maxAgeMs === undefined || server.playlistAgeMs === undefined) return false;
  for (let sample = 0; sample < Math.min(PLAYLIST_SAMPLES, count); sample += 1) {
    const index = Math.floor((sample * count) / PLAYLIST_SAMPLES);
    if ((await server.playlistAgeMs(index)) > maxAgeMs) return true;
  }
  return false;
}
