import { describe, expect, test } from '@jest/globals';
import { parseInitSegment } from '../isobmff/init-parser.ts';
import type { TrackSample } from '../isobmff/track.ts';
import { testMedia } from '../testdata/fuzz.ts';
import type { TsTrack } from './elementary-streams.ts';
import { splitMovie } from './split-movie.ts';
import { transportRateBps } from './transport-rate.ts';
import { muxTransportStream } from './transport-stream.ts';

const SEGMENTS = 20;
const IDR_NAL_HEADER = 0x65;
const SLICE_NAL_HEADER = 0x41;
const AUDIO = { kind: 'audio', bps: 128_000, unitsPerSecond: 48_000 / 1024 } as const;

function configOf(name: string): Pick<TsTrack, 'decoderConfig' | 'timescale'> {
  return parseInitSegment(splitMovie(testMedia(name)).init);
}

/** Sizes that differ as those of pictures do and come to the rate in the mean: the same for the same index. */
function sizeOf(index: number, meanBytes: number): number {
  return Math.max(6, Math.round(meanBytes * (0.5 + ((index * 7919) % 1000) / 1000)));
}

function pictureOf(index: number, isSync: boolean, bytes: number, duration: number): TrackSample {
  const data = Buffer.alloc(bytes, 0x80);
  data.writeUInt32BE(bytes - 4);
  data[4] = isSync ? IDR_NAL_HEADER : SLICE_NAL_HEADER;
  data[5] = index & 0x7f;
  return { duration, compositionOffset: 0, isSync, data };
}

/** One segment of a track at a rate, and the bits of its samples. */
function trackOf(
  kind: 'video' | 'audio',
  segment: number,
  { bps, unitsPerSecond }: { readonly bps: number; readonly unitsPerSecond: number },
  segmentSeconds: number,
): { readonly track: TsTrack; readonly bits: number } {
  const { decoderConfig, timescale } = configOf(kind === 'video' ? 'video.mp4' : 'audio.mp4');
  const count = Math.round(unitsPerSecond * segmentSeconds);
  const duration = Math.round(timescale / unitsPerSecond);
  const samples = Array.from({ length: count }, (_, index): TrackSample => {
    const at = segment * count + index;
    return pictureOf(at, index === 0, sizeOf(at, bps / 8 / unitsPerSecond), duration);
  });
  const baseMediaDecodeTime = segment * count * duration;
  const bits = samples.reduce((sum, { data }) => sum + data.length * 8, 0);
  return {
    track: { kind, decoderConfig, timescale, fragments: [{ trackId: 1, baseMediaDecodeTime, samples }] },
    bits,
  };
}

describe('the rate of a transport stream', () => {
  test.each([
    [50_000, 25, 2],
    [200_000, 60, 2],
    [700_000, 60, 2],
    [700_000, 30, 6],
    [2_800_000, 30, 2],
    [2_800_000, 60, 1],
  ])(
    'of %d b/s at %d pictures a second in segments of %d s is what the muxer makes',
    (bps, rate, seconds) => {
      const video = { kind: 'video', bps, unitsPerSecond: rate } as const;
      let totalBps = 0;
      for (let segment = 0; segment < SEGMENTS; segment += 1) {
        const made = [
          trackOf('video', segment, video, seconds),
          trackOf('audio', segment, AUDIO, seconds),
        ] as const;
        const muxed = muxTransportStream({ video: made[0].track, audio: made[1].track });
        const actual = [
          { ...video, bps: made[0].bits / seconds },
          { ...AUDIO, bps: made[1].bits / seconds },
        ];
        expect((muxed.length * 8) / seconds).toBeLessThanOrEqual(transportRateBps(actual, seconds, 'most'));
        totalBps += (muxed.length * 8) / seconds;
      }
      const mean = transportRateBps([video, AUDIO], seconds, 'mean');
      expect(Math.abs(totalBps / SEGMENTS - mean) / mean).toBeLessThan(0.05);
    },
  );
});
