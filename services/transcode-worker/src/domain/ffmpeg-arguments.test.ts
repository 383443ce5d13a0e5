import { describe, expect, test } from '@jest/globals';
import { session } from '@millrace/contracts';
import { audioRendition, videoRendition, videoTrack } from '../testing/renditions.ts';
import { ffmpegArguments } from './ffmpeg-arguments.ts';
import type { TranscodePlan } from './ffmpeg-arguments.ts';

const START = 153_000_000_180_000;

function planOf(change: Partial<TranscodePlan> = {}): TranscodePlan {
  const frameRate = { numerator: 25, denominator: 1 };
  return {
    preset: session.Preset.LOW_LATENCY,
    segmentDuration: { numerator: 2, denominator: 1 },
    periodStartTicks: START,
    videoTrack: videoTrack(),
    color: { primaries: 'bt709', transfer: 'bt709', matrix: 'bt709' },
    video: [
      { rendition: videoRendition(), frameRate, trimTicks: START - 45, firstTicks: START },
      {
        rendition: videoRendition({ id: '90p', width: 160, height: 90 }),
        frameRate,
        trimTicks: START - 45,
        firstTicks: START,
      },
    ],
    audio: { rendition: audioRendition(), firstSample: 81_600_000_093_184 },
    encoderThreads: 2,
    x264Preset: 'veryfast',
    ...change,
  };
}

function valueAfter(argv: readonly string[], option: string, occurrence = 0): string | undefined {
  const at = argv.flatMap((argument, index) => (argument === option ? [index] : []))[occurrence];
  return at === undefined ? undefined : argv[at + 1];
}

describe('the arguments of ffmpeg', () => {
  test('decode once on one thread, one pipe for each rendition, video before audio', () => {
    const argv = ffmpegArguments(planOf());
    expect(argv.filter((argument) => argument === '-i')).toHaveLength(1);
    expect(argv.slice(argv.indexOf('-f'), argv.indexOf('-i'))).toEqual(
      expect.arrayContaining(['nut', '-threads', '1', '-probesize', '32']),
    );
    expect(argv.filter((argument) => argument.startsWith('pipe:'))).toEqual([
      'pipe:0',
      'pipe:3',
      'pipe:4',
      'pipe:5',
    ]);
    // nobuffer loses the first GOP, and without frag_discont the absolute time.
    expect(argv.join(' ')).not.toContain('nobuffer');
    expect(argv.filter((argument) => argument.includes('frag_discont'))).toHaveLength(3);
  });

  test('the frame grid of the fps filter begins at the start of the period', () => {
    const graph = valueAfter(ffmpegArguments(planOf()), '-filter_complex');
    expect(graph).toContain(
      `[0:v]settb=1/90000,setpts=PTS-${START},fps=25/1:eof_action=pass,settb=1/90000,setpts=PTS+${START},split=2[s0][s1]`,
    );
    expect(graph).toContain(
      '[0:1]aresample=48000,aresample=async=1:min_hard_comp=0.01:first_pts=81600000093184',
    );
  });

  test('forced IDRs are put back on the grid by the offset of the first frame', () => {
    const resumed = planOf({
      video: [
        {
          rendition: videoRendition(),
          frameRate: { numerator: 25, denominator: 1 },
          trimTicks: START + 89_955,
          firstTicks: START + 90_000,
        },
      ],
    });
    expect(valueAfter(ffmpegArguments(planOf()), '-force_key_frames')).toContain('(t+0.000500000)/(2/1)');
    expect(valueAfter(ffmpegArguments(resumed), '-force_key_frames')).toContain('(t+1.000500000)/(2/1)');
    expect(valueAfter(ffmpegArguments(resumed), '-filter_complex')).toContain(
      `trim=start_pts=${START + 89_955}`,
    );
  });

  test('profile and level are what the codec string says', () => {
    const argv = ffmpegArguments(planOf());
    expect(valueAfter(argv, '-profile:v')).toBe('main');
    expect(valueAfter(argv, '-level')).toBe('1.3');
    const odd = planOf({
      video: planOf().video.map((video) => ({ ...video, rendition: videoRendition({ codec: 'hvc1.1.6' }) })),
    });
    expect(() => ffmpegArguments(odd)).toThrow('hvc1.1.6');
  });

  test('low-latency has no lookahead and no B-frames, quality has both', () => {
    expect(ffmpegArguments(planOf())).toContain('zerolatency');
    const quality = ffmpegArguments(planOf({ preset: session.Preset.QUALITY }));
    expect(quality).not.toContain('zerolatency');
    expect(valueAfter(quality, '-bf')).toBe('2');
    expect(valueAfter(quality, '-rc-lookahead')).toBe('20');
  });

  test('quality has no B-frames where the rate varies, since their decode times would depend on where a run began', () => {
    const [first, second] = planOf().video;
    if (first === undefined || second === undefined) throw new Error('two rungs');
    const argv = ffmpegArguments(
      planOf({ preset: session.Preset.QUALITY, video: [first, { ...second, frameRate: undefined }] }),
    );
    expect([valueAfter(argv, '-bf', 0), valueAfter(argv, '-bf', 1)]).toEqual(['2', '0']);
    expect(valueAfter(argv, '-rc-lookahead', 1)).toBe('20');
  });

  test.each([
    ['avc1.42c01e', 'baseline', '3.0', 'fps=25/1:'],
    ['avc1.4d400d', 'main', '1.3', 'fps=25/1:cabac=1:'],
    ['avc1.64001f', 'high', '3.1', 'fps=25/1:cabac=1:8x8dct=1:'],
  ])('%s is %s at level %s, with its tools whatever the preset', (codec, profile, level, parameters) => {
    const [first] = planOf().video;
    if (first === undefined) throw new Error('a rung');
    const argv = ffmpegArguments(
      planOf({ x264Preset: 'ultrafast', video: [{ ...first, rendition: videoRendition({ codec }) }] }),
    );
    expect(valueAfter(argv, '-preset')).toBe('ultrafast');
    expect(valueAfter(argv, '-profile:v')).toBe(profile);
    expect(valueAfter(argv, '-level')).toBe(level);
    expect(valueAfter(argv, '-x264-params')).toBe(`${parameters}b-pyramid=none:open-gop=0`);
  });

  test('rungs of different rates split before the rate, a variable one has no fps filter', () => {
    const [first, second] = planOf().video;
    if (first === undefined || second === undefined) throw new Error('two rungs');
    const graph = valueAfter(
      ffmpegArguments(planOf({ video: [first, { ...second, frameRate: undefined }] })),
      '-filter_complex',
    );
    expect(graph).toContain('[0:v]split=2[d0][d1]');
    expect(graph).toContain('[d1]settb=1/90000[s1]');
  });

  test('a portrait picture is padded into the fixed frame, an anamorphic one is unsqueezed', () => {
    const portrait = ffmpegArguments(planOf({ videoTrack: videoTrack({ width: 360, height: 640 }) }));
    expect(valueAfter(portrait, '-filter_complex')).toContain(
      'scale=102:180:out_range=tv,pad=320:180:108:0,setsar=1',
    );
    const anamorphic = ffmpegArguments(
      planOf({
        videoTrack: videoTrack({
          width: 720,
          height: 576,
          sampleAspectRatio: { numerator: 64, denominator: 45 },
        }),
      }),
    );
    expect(valueAfter(anamorphic, '-filter_complex')).toContain('scale=320:180:out_range=tv,setsar=1');
  });

  test('an interlaced source is deinterlaced once, before the rate', () => {
    const argv = ffmpegArguments(planOf({ videoTrack: videoTrack({ isInterlaced: true }) }));
    expect(valueAfter(argv, '-filter_complex')).toMatch(/^\[0:v\]bwdif=[^,]*,settb=1\/90000,/);
  });

  test('audio alone is stream 0', () => {
    const argv = ffmpegArguments(planOf({ videoTrack: undefined, video: [] }));
    expect(valueAfter(argv, '-filter_complex')).toMatch(/^\[0:0\]aresample/);
    expect(argv.at(-1)).toBe('pipe:3');
  });
});
