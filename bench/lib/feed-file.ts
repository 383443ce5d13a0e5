import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What an encoded feed looks like: moving noise in H.264 without B-frames, and stereo AAC at 48 kHz. */
export interface FeedSpec {
  readonly width: number;
  readonly height: number;
  readonly frameRate: number;
  readonly videoBps: number;
  readonly audioBps: number;
  readonly keyframeSeconds: number;
  readonly seconds: number;
}

/**
 * 1 Mbps, keyframes every 2 s. Its 8 s are whole GOPs, whole audio frames (375) and whole ms, so it loops without a seam.
 */
export const ONE_MBPS_FEED: FeedSpec = {
  width: 640,
  height: 360,
  frameRate: 30,
  videoBps: 862_000,
  audioBps: 128_000,
  keyframeSeconds: 2,
  seconds: 8,
};

/** What a typical encoder sends for the default ladder. */
export function ladderFeed(seconds: number, keyframeSeconds = 2): FeedSpec {
  return {
    width: 1280,
    height: 720,
    frameRate: 30,
    videoBps: 4_000_000,
    audioBps: 128_000,
    keyframeSeconds,
    seconds,
  };
}

/** Path of an FLV file with this feed; encoded once and kept in the system's temporary directory. */
export function feedFile(spec: FeedSpec): string {
  const directory = join(tmpdir(), 'millrace-bench-feeds');
  const id = createHash('sha256').update(JSON.stringify(spec)).digest('hex').slice(0, 12);
  const path = join(directory, `${id}.flv`);
  if (existsSync(path)) return path;
  mkdirSync(directory, { recursive: true });
  const { width, height, frameRate, videoBps, audioBps, keyframeSeconds, seconds } = spec;
  const gop = String(frameRate * keyframeSeconds);
  const partial = `${path}.${process.pid}.flv`;
  execFileSync('ffmpeg', [
    ...['-hide_banner', '-loglevel', 'error', '-nostdin', '-y'],
    ...['-f', 'lavfi', '-i', `testsrc2=size=${width}x${height}:rate=${frameRate},noise=alls=12:allf=t`],
    ...[
      '-f',
      'lavfi',
      '-i',
      "aevalsrc='0.2*sin(440*2*PI*t)+0.1*random(0)':sample_rate=48000:channel_layout=stereo",
    ],
    ...['-t', String(seconds), '-pix_fmt', 'yuv420p', '-c:v', 'libx264', '-preset', 'veryfast', '-bf', '0'],
    ...['-g', gop, '-keyint_min', gop, '-sc_threshold', '0'],
    ...['-b:v', String(videoBps), '-maxrate', String(videoBps), '-bufsize', String(videoBps)],
    ...['-c:a', 'aac', '-b:a', String(audioBps), '-f', 'flv', partial],
  ]);
  renameSync(partial, path);
  return path;
}
