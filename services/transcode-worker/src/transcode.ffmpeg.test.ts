import { afterEach, describe, expect, test } from '@jest/globals';
import { session } from '@millrace/contracts';
import { codecString, parseInitSegment, segmentFirstTick } from '@millrace/media';
import { audioRendition, videoRendition } from './testing/renditions.ts';
import { decodeServed, readServed } from './testing/served-media.ts';
import type { SyntheticInput } from './testing/synthetic-media.ts';
import { FIRST_K, presentationOf, START_TICKS, WorkerHarness } from './testing/worker-harness.ts';

let harness: WorkerHarness | undefined;
afterEach(() => harness?.stop());

/** One period in one go, to the end of the session. */
async function transcode(
  input: SyntheticInput,
  presentation = presentationOf(),
  config: ConstructorParameters<typeof WorkerHarness>[1] = {},
): Promise<WorkerHarness> {
  const worker = (harness = new WorkerHarness(presentation, config));
  await worker.addPeriod(input);
  worker.start();
  worker.relay.endSession();
  expect(await worker.finished()).toBe('session-ended');
  return worker;
}

const rate = (numerator: number, denominator = 1) => ({ numerator, denominator });
const withVideo = (change: Partial<session.Rendition>, more: Partial<session.Presentation> = {}) =>
  presentationOf({ renditions: [videoRendition(change), audioRendition()], ...more });

test.each(['avc1.64000d', 'avc1.4d400d', 'avc1.42c00d'])(
  'the fastest preset of x264 makes the %s that the playlists promise',
  async (codec) => {
    const worker = await transcode({ seconds: 2 }, withVideo({ codec }), {
      ffmpeg: { x264Preset: 'ultrafast' },
    });
    const init = worker.sink.window.inits.find(({ renditionId }) => renditionId === '180p');
    expect(codecString(parseInitSegment(init?.data ?? Buffer.alloc(0)))).toBe(codec);
    expect(readServed(worker.sink, '180p').samplesPerSegment).toEqual([50]);
    expect(worker.eventsOf('TranscoderRestarted')).toEqual([]);
  },
  30_000,
);

describe('inputs of every shape: all frames, boundaries on the grid, clean to decode', () => {
  test.each<[string, SyntheticInput, session.Presentation, number[]]>([
    ['25 fps with B-frames', { seconds: 6, bFrames: 2 }, withVideo({}), [50, 50, 50]],
    [
      '29.97 fps',
      { seconds: 6, rate: '30000/1001', gopFrames: 60 },
      withVideo({ frameRate: rate(30_000, 1001) }),
      [60, 60, 60],
    ],
    [
      '59.94 fps, whose frames are not whole ticks',
      { seconds: 6, rate: '60000/1001', gopFrames: 120 },
      withVideo({ frameRate: rate(60_000, 1001), codec: 'avc1.4d4015' }),
      [120, 120, 120],
    ],
    [
      '60 fps under a cap of 30',
      { seconds: 4, rate: '60/1', gopFrames: 120 },
      withVideo({ frameRate: rate(30) }),
      [60, 60],
    ],
    [
      'a rate that varies, made constant',
      { seconds: 6, rate: '30', filter: "select='not(eq(mod(n,7),3))'", gopFrames: 52 },
      withVideo({ frameRate: rate(30) }),
      [60, 60, 60],
    ],
    ['an odd size', { seconds: 4, width: 401, height: 227, pixelFormat: 'yuv444p' }, withVideo({}), [50, 50]],
    ['portrait', { seconds: 4, width: 180, height: 320 }, withVideo({}), [50, 50]],
    ['interlaced', { seconds: 4, isInterlaced: true, width: 320, height: 192 }, withVideo({}), [50, 50]],
    ['4:2:2', { seconds: 4, pixelFormat: 'yuv422p' }, withVideo({}), [50, 50]],
    [
      'the preset of B-frames and lookahead',
      { seconds: 6 },
      withVideo({}, { preset: session.Preset.QUALITY }),
      [50, 50, 50],
    ],
  ])(
    '%s',
    async (_, input, presentation, frames) => {
      const worker = await transcode(input, presentation);
      const video = readServed(worker.sink, '180p');
      expect(video.samplesPerSegment).toEqual(frames);
      expect(video).toMatchObject({ holes: [], dependentSegments: [], firstDts: START_TICKS });
      const audio = readServed(worker.sink, 'audio');
      expect(audio.holes).toEqual([]);
      expect((audio.firstDts ?? 1) % 1024).toBe(0);
      expect(worker.sink.window.rowsOf('audio').map(({ k }) => k)).toEqual(
        worker.sink.window.rowsOf('180p').map(({ k }) => k),
      );
      expect(await decodeServed(worker.sink, '180p')).toBe('');
      expect(await decodeServed(worker.sink, 'audio')).toBe('');
      expect(worker.eventsOf('TranscoderRestarted')).toEqual([]);
    },
    30_000,
  );

  test.each([
    ['48 kHz stereo', 48_000, 2],
    ['44.1 kHz stereo', 44_100, 2],
    ['44.1 kHz mono', 44_100, 1],
    ['22.05 kHz mono', 22_050, 1],
  ])('audio of %s fills every segment, to the frame', async (_, sampleRate, channelCount) => {
    const worker = await transcode(
      { seconds: 6, hasVideo: false, sampleRate, channelCount },
      presentationOf({ renditions: [audioRendition()] }),
    );
    const firstFrame = (k: number): number => Math.ceil(segmentFirstTick(k, 48_000, rate(2)) / 1024);
    const { firstDts, holes, samplesPerSegment } = readServed(worker.sink, 'audio');
    expect({ firstDts, holes }).toEqual({ firstDts: firstFrame(FIRST_K) * 1024, holes: [] });
    expect(samplesPerSegment.slice(0, 2)).toEqual(
      [0, 1].map((index) => firstFrame(FIRST_K + index + 1) - firstFrame(FIRST_K + index)),
    );
    expect(await decodeServed(worker.sink, 'audio')).toBe('');
    expect(worker.eventsOf('TranscoderRestarted')).toEqual([]);
  });

  test('a rate that varies and stays so keeps every frame of the source', async () => {
    const worker = await transcode(
      { seconds: 6, rate: '30', filter: "select='not(eq(mod(n,7),3))'", gopFrames: 52 },
      withVideo({ frameRate: undefined }, { isVariableFrameRate: true }),
    );
    const { samplesPerSegment, holes, dependentSegments } = readServed(worker.sink, '180p');
    expect(samplesPerSegment.reduce((sum, count) => sum + count, 0)).toBe(154);
    expect({ holes, dependentSegments }).toEqual({ holes: [], dependentSegments: [] });
    expect(await decodeServed(worker.sink, '180p')).toBe('');
  }, 30_000);

  test('video alone, audio alone', async () => {
    const video = await transcode(
      { seconds: 4, hasAudio: false },
      presentationOf({ renditions: [videoRendition()] }),
    );
    expect(readServed(video.sink, '180p').samplesPerSegment).toEqual([50, 50]);
    const audio = await transcode(
      { seconds: 4, hasVideo: false },
      presentationOf({ renditions: [audioRendition()] }),
    );
    expect(readServed(audio.sink, 'audio').holes).toEqual([]);
    expect(audio.sink.window.rowsOf('audio').slice(0, 2)).toMatchObject([{ isGap: false }, { isGap: false }]);
  }, 30_000);
});

test('a period with another picture goes into the same frames, one without audio has gaps in it', async () => {
  const worker = (harness = new WorkerHarness());
  await worker.addPeriod({ seconds: 3 });
  worker.start();
  worker.relay.endPeriod();
  await worker.sink.until(() => worker.sink.window.rowsOf('audio').length === 2);
  await worker.addPeriod({ seconds: 4, width: 240, height: 240, hasAudio: false }, FIRST_K + 4);
  worker.relay.endSession();
  expect(await worker.finished()).toBe('session-ended');
  for (const id of ['180p', '90p', 'audio']) {
    const rows = worker.sink.window.rowsOf(id);
    expect(
      rows.map(({ k, msn, discontinuitySequence }) => [k - FIRST_K, msn - FIRST_K, discontinuitySequence]),
    ).toEqual([
      [0, 0, 0],
      [1, 1, 0],
      [4, 2, 1],
      [5, 3, 1],
    ]);
    expect(rows.map(({ isGap }) => isGap)).toEqual([false, false, id === 'audio', id === 'audio']);
  }
  expect(readServed(worker.sink, '180p', 1)).toMatchObject({ samplesPerSegment: [50, 50], holes: [] });
  expect(await decodeServed(worker.sink, '180p', 1)).toBe('');
}, 30_000);
