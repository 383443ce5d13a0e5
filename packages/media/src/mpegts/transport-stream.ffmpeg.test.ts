import { spawnSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import { parseFragment } from '../isobmff/fragment-parser.ts';
import { parseInitSegment } from '../isobmff/init-parser.ts';
import { testMedia } from '../testdata/fuzz.ts';
import { to90kHz } from './elementary-streams.ts';
import type { TsTrack } from './elementary-streams.ts';
import { splitMovie } from './split-movie.ts';
import { muxTransportStream } from './transport-stream.ts';

function trackOf(name: string): TsTrack {
  const { init, fragments } = splitMovie(testMedia(name));
  const { kind, decoderConfig, timescale } = parseInitSegment(init);
  return { kind, decoderConfig, timescale, fragments: fragments.map(parseFragment) };
}

function slice(track: TsTrack, from: number, to: number): TsTrack {
  return { ...track, fragments: track.fragments.slice(from, to) };
}

/** One fragment instead of many, as a part has it. */
function joined(track: TsTrack): TsTrack {
  const [first] = track.fragments;
  if (first === undefined) return track;
  return { ...track, fragments: [{ ...first, samples: track.fragments.flatMap(({ samples }) => samples) }] };
}

interface Probe {
  readonly streams: readonly { readonly codec_type: string; readonly nb_read_frames: string }[];
  readonly packets: readonly { readonly codec_type: string; readonly pts: number }[];
}

function probe(bytes: Buffer): { readonly log: string; readonly found: Probe } {
  const shown = ['-show_streams', '-show_packets', '-count_frames', '-of', 'json'];
  const result = spawnSync('ffprobe', ['-v', 'warning', ...shown, '-f', 'mpegts', '-'], { input: bytes });
  return { log: result.stderr.toString(), found: JSON.parse(result.stdout.toString()) as Probe };
}

function decode(bytes: Buffer): string {
  const checks = ['-v', 'warning', '-xerror', '-err_detect', 'explode'];
  const result = spawnSync('ffmpeg', [...checks, '-f', 'mpegts', '-i', '-', '-f', 'null', '-'], {
    input: bytes,
  });
  return `${result.status} ${result.stderr.toString()}`;
}

describe('ffmpeg reads segments that were muxed one by one and put behind one another', () => {
  const video = trackOf('video.mp4');
  const audio = trackOf('audio.mp4');
  const middle = Math.floor(audio.fragments.length / 2);
  const whole = Buffer.concat([
    muxTransportStream({ video: joined(slice(video, 0, 15)), audio: joined(slice(audio, 0, middle)) }),
    muxTransportStream({ video: joined(slice(video, 15, 30)), audio: joined(slice(audio, middle, 1000)) }),
  ]);

  test('every frame is decoded, without a message: no continuity error, no error in the tables', () => {
    expect(decode(whole)).toBe('0 ');
    const { log, found } = probe(whole);
    expect(log).toBe('');
    const frames = Object.fromEntries(
      found.streams.map(({ codec_type, nb_read_frames }) => [codec_type, Number(nb_read_frames)]),
    );
    expect(frames).toEqual({ video: video.fragments.length, audio: audio.fragments.length });
  });

  test.each([video, audio])(
    'the times of $kind are those of the fragments, across the boundary too',
    (track) => {
      const times = probe(whole)
        .found.packets.filter(({ codec_type }) => codec_type === track.kind)
        .map(({ pts }) => pts)
        .toSorted((a, b) => a - b);
      const expected = track.fragments
        .map(({ baseMediaDecodeTime, samples }) =>
          to90kHz(baseMediaDecodeTime + (samples[0]?.compositionOffset ?? 0), track.timescale),
        )
        .toSorted((a, b) => a - b);
      expect(times.length).toBe(expected.length);
      // Within a PES packet ffprobe counts audio frames on from the first; the test media came through FLV's milliseconds.
      const errors = times.map((pts, index) => Math.abs(pts - ((expected[index] ?? 0) % 2 ** 33)));
      expect(Math.max(...errors)).toBeLessThan(track.kind === 'video' ? 1 : 90);
    },
  );

  test('audio alone is a program of its own', () => {
    const bytes = muxTransportStream({ audio: joined(audio) });
    expect(decode(bytes)).toBe('0 ');
    expect(probe(bytes).found.streams.map(({ codec_type }) => codec_type)).toEqual(['audio']);
  });
});
