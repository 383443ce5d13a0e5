import { afterAll, describe, expect, test } from '@jest/globals';
import { observe } from './observer/observe.ts';
import type { Verdict } from './observer/verdict.ts';
import { runProgram } from './observer/run-program.ts';
import { stopAll } from './verbs/children.ts';
import { frameRateOf, makeClip, USUAL } from './verbs/clip.ts';
import type { ClipOptions } from './verbs/clip.ts';
import { expectFlawless, renditionOf } from './verbs/expect-flawless.ts';
import { isLong, lazily, mediaSeconds, SEG, SMALL_RUNG, TEST_DEADLINE_MS } from './verbs/form.ts';
import { createChannel, startMillrace, waitForPlayable, withLogs } from './verbs/millrace.ts';
import type { Channel } from './verbs/millrace.ts';
import { publish, publishGStreamer } from './verbs/publish.ts';
import type { GStreamerOptions, Publisher } from './verbs/publish.ts';

const millrace = lazily(() => startMillrace());
const SIZE = isLong ? '1280x720' : '426x240';
const SECONDS = mediaSeconds(10);

afterAll(stopAll);

interface Source {
  readonly name: string;
  readonly clip: ClipOptions;
  readonly firstTimestampMs?: number;
  readonly hasVideo?: boolean;
  readonly hasAudio?: boolean;
}

const usual: ClipOptions = { ...USUAL, size: SIZE };

const SOURCES: readonly Source[] = [
  { name: '25 fps', clip: { ...usual, rate: '25' } },
  { name: '29.97 fps', clip: { ...usual, rate: '30000/1001' } },
  { name: '59.94 fps', clip: { ...usual, rate: '60000/1001' } },
  { name: '60 fps', clip: { ...usual, rate: '60' } },
  { name: 'a variable frame rate', clip: { ...usual, isVariable: true } },
  { name: '44.1 kHz', clip: { ...usual, audio: { rate: 44_100, channels: 2 } } },
  { name: 'mono', clip: { ...usual, audio: { rate: 48_000, channels: 1 } } },
  { name: 'no audio', clip: { ...usual, audio: undefined }, hasAudio: false },
  { name: 'audio only', clip: { ...usual, size: undefined }, hasVideo: false },
  { name: 'a portrait picture', clip: { ...usual, size: isLong ? '720x1280' : '240x426' } },
  { name: 'an odd size', clip: { ...usual, size: '427x239', pixelFormat: 'yuv444p' } },
  { name: 'a 4:2:2 picture', clip: { ...usual, pixelFormat: 'yuv422p' } },
  { name: 'timestamps from just below 2^24 ms', clip: usual, firstTimestampMs: 2 ** 24 - 5000 },
  { name: 'timestamps from just below 2^31 ms', clip: usual, firstTimestampMs: 2 ** 31 - 5000 },
];

/** What GStreamer can make of the same. */
const [WIDTH = 0, HEIGHT = 0] = SIZE.split('x').map(Number);
const GSTREAMER: readonly ({ readonly name: string } & Omit<GStreamerOptions, 'seconds'>)[] = [
  {
    name: 'GStreamer',
    video: { width: WIDTH, height: HEIGHT, rate: 30 },
    audio: { rate: 48_000, channels: 2 },
  },
  {
    name: 'GStreamer, 25 fps, 44.1 kHz mono',
    video: { width: WIDTH, height: HEIGHT, rate: 25 },
    audio: { rate: 44_100, channels: 1 },
  },
  { name: 'GStreamer, no audio', video: { width: WIDTH, height: HEIGHT, rate: 30 } },
  { name: 'GStreamer, audio only', audio: { rate: 48_000, channels: 2 } },
  {
    name: 'GStreamer, a portrait picture',
    video: { width: HEIGHT, height: WIDTH, rate: 30 },
    audio: { rate: 48_000, channels: 2 },
  },
];

async function open(name: string, settings: Readonly<Record<string, unknown>> = {}): Promise<Channel> {
  return createChannel(await millrace(), name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-'), {
    ladder: [SMALL_RUNG],
    graceSeconds: 2,
    ...settings,
  });
}

async function watchToTheEnd(channel: Channel, publisher: Publisher): Promise<Verdict> {
  await waitForPlayable(channel);
  return observe({
    ...{ hls: channel.hls, dash: channel.dash, segmentDuration: SEG },
    until: ({ isEnded }) => isEnded,
    isContinuous: publisher.isRunning,
    deadlineMs: TEST_DEADLINE_MS / 2,
  });
}

describe('what encoders send', () => {
  // Some at a time, on one running system; the hooks of Jest do not wait for concurrent tests, so that it starts lazily.
  test.concurrent.each(SOURCES)(
    '$name: every frame comes out, exactly in its place',
    async ({ name, clip: options, firstTimestampMs, hasVideo = true, hasAudio = true }) => {
      const system = await millrace();
      await withLogs(
        () => system,
        async () => {
          const channel = await open(name);
          const clip = await makeClip({ ...options, seconds: SECONDS });
          const publisher = publish(
            channel.publishUrl,
            clip,
            firstTimestampMs === undefined ? {} : { firstTimestampMs },
          );
          const verdict = await watchToTheEnd(channel, publisher);
          expect(await publisher.ended).toMatchObject({ code: 0 });
          expectFlawless(verdict);
          expectRenditions(verdict, hasVideo, hasAudio);
          if (hasVideo) expectFrames(verdict, options, clip.frames);
          if (hasAudio) expectAudio(verdict);
        },
      );
    },
    TEST_DEADLINE_MS,
  );

  test.concurrent(
    'the preset `quality`, with B-frames of its own: every frame comes out, exactly in its place',
    async () => {
      const system = await millrace();
      await withLogs(
        () => system,
        async () => {
          const channel = await open('quality', { preset: 'quality' });
          const clip = await makeClip({ ...usual, bFrames: 0, seconds: SECONDS });
          const publisher = publish(channel.publishUrl, clip);
          const watched = watchToTheEnd(channel, publisher);
          await waitForPlayable(channel);
          const { stdout } = await runProgram('ffprobe', [
            ...['-v', 'error', '-select_streams', 'v', '-show_entries', 'stream=has_b_frames'],
            ...['-of', 'csv=p=0', channel.hls[0]],
          ]);
          // The encoder sent none: they are those of x264 with the preset.
          expect(Number.parseInt(stdout, 10)).toBeGreaterThan(0);
          const verdict = await watched;
          expect(await publisher.ended).toMatchObject({ code: 0 });
          expectFlawless(verdict);
          expectFrames(verdict, usual, clip.frames);
          expectAudio(verdict);
        },
      );
    },
    TEST_DEADLINE_MS,
  );

  test.concurrent.each(GSTREAMER)(
    '$name: every frame comes out, exactly in its place',
    async ({ name, video, audio }) => {
      const system = await millrace();
      await withLogs(
        () => system,
        async () => {
          const channel = await open(name);
          const publisher = publishGStreamer(channel.publishUrl, {
            ...(video === undefined ? {} : { video }),
            ...(audio === undefined ? {} : { audio }),
            seconds: SECONDS,
          });
          const verdict = await watchToTheEnd(channel, publisher);
          expect(await publisher.ended).toMatchObject({ code: 0 });
          expectFlawless(verdict);
          expectRenditions(verdict, video !== undefined, audio !== undefined);
          if (video !== undefined) {
            const options = { rate: String(video.rate) };
            expectFrames(verdict, options, video.rate * SECONDS);
          }
          if (audio !== undefined) expectAudio(verdict);
        },
      );
    },
    TEST_DEADLINE_MS,
  );
});

function expectRenditions(verdict: Verdict, hasVideo: boolean, hasAudio: boolean): void {
  expect(verdict.renditions.map(({ label }) => label).sort()).toEqual([
    ...(hasVideo ? [`${SMALL_RUNG.name}/index`, `${SMALL_RUNG.name}/ts`] : []),
    ...(hasAudio ? ['audio/index'] : []),
    ...(hasVideo ? [] : ['audio/ts']),
  ]);
}

function expectAudio(verdict: Verdict): void {
  const audio = renditionOf(verdict, 'audio/index');
  expect(Math.abs(audio.mediaSeconds - SECONDS)).toBeLessThan(0.2);
}

/** Encoded rungs run at a constant rate: what a variable source left out is there too. */
function expectFrames(verdict: Verdict, options: ClipOptions, framesSent: number): void {
  const rate = frameRateOf(options.rate ?? '30');
  const frames = options.isVariable === true ? Math.round(SECONDS * rate) : framesSent;
  const video = renditionOf(verdict, `${SMALL_RUNG.name}/index`);
  expect(frames).toBeGreaterThan(0);
  expect(video).toMatchObject({ frames, decodedFrames: frames });
  const perSegment = 2 * rate;
  for (const count of video.framesPerSegment.slice(0, -1)) {
    expect([Math.floor(perSegment), Math.ceil(perSegment)]).toContain(count);
  }
}
