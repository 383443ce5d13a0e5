import { spawn } from 'node:child_process';
import { session } from '@millrace/contracts';
import type { relay } from '@millrace/contracts';
import { FragmentReader, marshalFragment } from '@millrace/media';
import type { InitTrack } from '@millrace/media';
import type { MediaSample } from '../domain/media-sample.ts';
import { audioTrack, videoTrack } from './renditions.ts';

/** What to make. */
export interface SyntheticInput {
  readonly seconds: number;
  readonly width?: number;
  readonly height?: number;
  /** As ffmpeg takes it. */
  readonly rate?: string;
  readonly gopFrames?: number;
  readonly bFrames?: number;
  readonly hasVideo?: boolean;
  readonly hasAudio?: boolean;
  /** More filters on the picture, for example to make its rate vary. */
  readonly filter?: string;
  readonly pixelFormat?: string;
  readonly isInterlaced?: boolean;
  readonly sampleRate?: number;
  readonly channelCount?: number;
}

/** Access units as ingest gives them, in the order in which an encoder would send them. */
export interface SyntheticMedia {
  readonly tracks: readonly session.Track[];
  readonly fragments: readonly relay.Fragment[];
}

/** Encodes a test picture and a tone, and lays them out from `startTicks` (90 kHz) on. */
export async function makeSyntheticMedia(startTicks: number, input: SyntheticInput): Promise<SyntheticMedia> {
  const { hasVideo = true, hasAudio = true, sampleRate = 48_000 } = input;
  const [video, audio] = await Promise.all([
    hasVideo ? encode(videoArguments(input)) : undefined,
    hasAudio ? encode(audioArguments(input)) : undefined,
  ]);
  const tracks: session.Track[] = [];
  const fragments: relay.Fragment[] = [];
  if (video !== undefined) {
    const [numerator = 25, denominator = 1] = (input.rate ?? '25').split('/').map(Number);
    tracks.push(
      videoTrack({
        decoderConfig: Buffer.from(video.track.decoderConfig),
        width: video.track.width,
        height: video.track.height,
        frameRate: input.filter === undefined ? { numerator, denominator } : undefined,
        isInterlaced: input.isInterlaced ?? false,
      }),
    );
    fragments.push(...layOut(video, 1, startTicks));
  }
  if (audio !== undefined) {
    tracks.push(
      audioTrack({
        decoderConfig: Buffer.from(audio.track.decoderConfig),
        timescale: sampleRate,
        sampleRate,
        channelCount: input.channelCount ?? 2,
      }),
    );
    // The grid of 1024 samples of the epoch, as ingest lays it out; the encoder's priming is left out.
    const start = Math.ceil((startTicks * sampleRate) / 90_000 / 1024) * 1024;
    fragments.push(...layOut({ ...audio, samples: audio.samples.slice(1) }, 2, start));
  }
  const secondsOf = ({ dts, trackId }: relay.Fragment): number => dts / (trackId === 1 ? 90_000 : sampleRate);
  return { tracks, fragments: fragments.sort((a, b) => secondsOf(a) - secondsOf(b)) };
}

interface EncodedTrack {
  readonly track: InitTrack;
  readonly samples: readonly MediaSample[];
}

const FRAGMENTS =
  '-movflags +cmaf+frag_every_frame+frag_discont+skip_trailer -use_editlist 0 -output_ts_offset 10 -f mp4 pipe:1'.split(
    ' ',
  );

function videoArguments(input: SyntheticInput): readonly string[] {
  const { width = 320, height = 180, rate = '25', seconds, gopFrames = 50, bFrames = 0 } = input;
  return [
    ...['-f', 'lavfi', '-i', `testsrc2=s=${width}x${height}:r=${rate}:d=${seconds}`],
    ...(input.filter === undefined ? [] : ['-vf', input.filter]),
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', String(bFrames), '-g', String(gopFrames)],
    ...['-keyint_min', String(gopFrames), '-sc_threshold', '0', '-pix_fmt', input.pixelFormat ?? 'yuv420p'],
    ...(input.isInterlaced === true ? ['-flags', '+ildct+ilme', '-x264-params', 'tff=1'] : []),
    ...['-fps_mode', 'passthrough', '-video_track_timescale', '90000', ...FRAGMENTS],
  ];
}

function audioArguments({
  seconds,
  sampleRate = 48_000,
  channelCount = 2,
}: SyntheticInput): readonly string[] {
  const tone = `sine=f=440:r=${sampleRate}:d=${seconds}`;
  return ['-f', 'lavfi', '-i', tone, '-ac', String(channelCount), '-c:a', 'aac', ...FRAGMENTS];
}

async function encode(argv: readonly string[]): Promise<EncodedTrack> {
  const child = spawn('ffmpeg', ['-v', 'error', '-nostdin', ...argv], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const reader = new FragmentReader();
  let track: InitTrack | undefined;
  const samples: MediaSample[] = [];
  for await (const chunk of child.stdout) {
    for (const event of reader.push(chunk as Buffer)) {
      if (event.kind === 'init') {
        track = event.track;
        continue;
      }
      let dts = event.fragment.baseMediaDecodeTime;
      for (const sample of event.fragment.samples) {
        samples.push({ ...sample, dts, data: Buffer.from(sample.data) });
        dts += sample.duration;
      }
    }
  }
  if (track === undefined) throw new Error('ffmpeg made nothing');
  return { track, samples };
}

function layOut({ samples }: EncodedTrack, trackId: number, start: number): relay.Fragment[] {
  const first = samples[0]?.dts ?? 0;
  return samples.map(({ dts, ...sample }, index) => {
    const shifted = start + dts - first;
    return {
      trackId,
      dts: shifted,
      compositionOffset: sample.compositionOffset,
      duration: sample.duration,
      isRandomAccess: sample.isSync,
      isFiller: false,
      data: marshalFragment({ trackId, baseMediaDecodeTime: shifted, samples: [sample] }, index),
    };
  });
}
