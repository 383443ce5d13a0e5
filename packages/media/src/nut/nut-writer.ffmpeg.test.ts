import { spawnSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import { parseAudioSpecificConfig } from '../codecs/aac/audio-specific-config.ts';
import { parseAvcDecoderConfiguration } from '../codecs/h264/avc-decoder-configuration.ts';
import { parseSequenceParameterSet } from '../codecs/h264/sequence-parameter-set.ts';
import { FragmentReader } from '../isobmff/fragment-reader.ts';
import { testMedia } from '../testdata/fuzz.ts';
import { NutWriter } from './nut-writer.ts';
import type { NutFrame } from './nut-writer.ts';

/** The samples of a file of one-sample fragments, as NUT frames of a track. */
const load = (name: string, trackIndex: number) => {
  const [init, ...events] = new FragmentReader().push(testMedia(name));
  if (init?.kind !== 'init') throw new Error(`${name} does not begin with an init segment`);
  const frames = events.flatMap((event): (NutFrame & { readonly dtsSeconds: number })[] => {
    if (event.kind !== 'fragment') return [];
    const { baseMediaDecodeTime, samples } = event.fragment;
    return samples.map(({ compositionOffset, isSync, data }) => ({
      trackIndex,
      pts: baseMediaDecodeTime + compositionOffset,
      isKey: isSync,
      data,
      dtsSeconds: baseMediaDecodeTime / init.track.timescale,
    }));
  });
  return { track: init.track, frames };
};

const ffmpeg = (input: Buffer, program: string, args: readonly string[]): string => {
  const { stdout, stderr, status } = spawnSync(program, ['-v', 'error', ...args], {
    input,
    encoding: 'utf8',
  });
  if (status !== 0 || stderr !== '') throw new Error(`${program}: ${status} ${stderr}`);
  return stdout;
};

describe('NUT in ffmpeg', () => {
  const video = load('video.mp4', 0);
  const audio = load('audio.mp4', 1);
  const [sps] = parseAvcDecoderConfiguration(video.track.decoderConfig).sequenceParameterSets;
  const reorderDepth = parseSequenceParameterSet(sps ?? new Uint8Array(0)).maxReorderFrames ?? 0;
  const { channelCount, sampleRate } = parseAudioSpecificConfig(audio.track.decoderConfig);
  const writer = new NutWriter([
    { kind: 'video', timescale: 90_000, ...pictureOf(video.track), reorderDepth },
    { kind: 'audio', timescale: 48_000, decoderConfig: audio.track.decoderConfig, sampleRate, channelCount },
  ]);
  const frames = [...video.frames, ...audio.frames].toSorted((a, b) => a.dtsSeconds - b.dtsSeconds);
  const stream = Buffer.concat([writer.header(), ...frames.map((frame) => writer.frame(frame))]);
  const INPUT = ['-f', 'nut', '-probesize', '32', '-analyzeduration', '0'];

  test('every packet comes out with its pts, flag and size', () => {
    const show = ['-show_entries', 'packet=stream_index,pts,flags,size', '-of', 'csv=p=0', '-i', 'pipe:0'];
    const packets = ffmpeg(stream, 'ffprobe', [...INPUT, ...show])
      .trim()
      .split('\n');
    expect(packets).toEqual(
      frames.map(
        ({ trackIndex, pts, data, isKey }) => `${trackIndex},${pts},${data.length},${isKey ? 'K_' : '__'}`,
      ),
    );
  });

  test('every picture and audio frame is decoded at its pts, B-frames in output order', () => {
    const out = ['-fps_mode', 'passthrough', '-enc_time_base', '-1', '-f', 'framemd5', '-'];
    const decode = (map: string): number[] =>
      ffmpeg(stream, 'ffmpeg', ['-nostdin', '-copyts', ...INPUT, '-i', 'pipe:0', '-map', map, ...out])
        .split('\n')
        .filter((line) => /^\d/.test(line))
        .map((line) => Number(line.split(',')[2]));
    expect(decode('0:v')).toEqual(video.frames.map(({ pts }) => pts).toSorted((a, b) => a - b));
    expect(decode('0:a')).toEqual(audio.frames.map(({ pts }) => pts));
  });
});

function pictureOf({ decoderConfig, width, height }: ReturnType<typeof load>['track']) {
  return { decoderConfig, width, height };
}
