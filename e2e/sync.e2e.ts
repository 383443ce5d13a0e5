import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { runProgram } from './observer/run-program.ts';
import { stopAll, temporaryDirectory } from './verbs/children.ts';
import { lazily, SMALL_RUNG, TEST_DEADLINE_MS } from './verbs/form.ts';
import { createChannel, sessionOf, startMillrace, waitForPlayable, withLogs } from './verbs/millrace.ts';
import type { Channel } from './verbs/millrace.ts';
import { publish } from './verbs/publish.ts';
import { waitFor } from './verbs/wait-for.ts';

const SECONDS = 10;
const RATE = 30;
/** The flash and the beep begin in each second at this time, on the edge of a picture. */
const BEGIN_SECONDS = 0.5;
const LENGTH_SECONDS = 0.2;
/** An AAC frame: sound is not cut finer. */
const AUDIO_FRAME_SECONDS = 1024 / 48_000;
/** ffmpeg plays fragments with negative composition offsets, as B-frames passed through have them, a picture late. */
const PASSED_THROUGH_SECONDS = AUDIO_FRAME_SECONDS + 1 / RATE;

const millrace = lazily(() => startMillrace());

afterAll(stopAll);

/** A film of flashes with beeps. */
async function makeFilm(bFrames: number, sampleRate: number): Promise<string> {
  const path = join(temporaryDirectory('film'), 'film.flv');
  const isOn = `between(mod(t,1),${BEGIN_SECONDS - 0.001},${BEGIN_SECONDS + LENGTH_SECONDS - 0.001})`;
  const { exitCode, stderr } = await runProgram('ffmpeg', [
    ...['-v', 'error', '-nostdin', '-f', 'lavfi', '-i', `color=black:size=426x240:rate=${RATE}`],
    ...['-f', 'lavfi', '-i', `aevalsrc='0.6*sin(2*PI*1000*t)*${isOn}':s=${sampleRate}:c=stereo`],
    ...['-vf', `drawbox=c=white:t=fill:enable='${isOn}'`, '-t', String(SECONDS)],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', String(bFrames), '-g', String(RATE * 2)],
    ...['-sc_threshold', '0', '-pix_fmt', 'yuv420p', '-c:a', 'aac', '-b:a', '96k', '-f', 'flv', path],
  ]);
  if (exitCode !== 0) throw new Error(`the film cannot be made: ${stderr}`);
  return path;
}

interface Edges {
  readonly flashes: readonly number[];
  readonly beeps: readonly number[];
}

/** When flashes and beeps begin, as ffmpeg plays a file or a playlist. */
async function edgesOf(input: string): Promise<Edges> {
  const { stderr } = await runProgram('ffmpeg', [
    ...[
      '-hide_banner',
      '-nostdin',
      '-nostats',
      ...(input.endsWith('.m3u8') ? ['-live_start_index', '0'] : []),
    ],
    ...['-i', input, '-vf', 'blackdetect=d=0.1:pix_th=0.5', '-af', 'silencedetect=n=-25dB:d=0.1'],
    ...['-fps_mode', 'passthrough', '-f', 'null', '-'],
  ]);
  const all = (pattern: RegExp): readonly number[] =>
    [...stderr.matchAll(pattern)].map(([, seconds]) => Number(seconds));
  return { flashes: all(/black_end:([\d.]+)/g), beeps: all(/silence_end: ([\d.]+)/g) };
}

/** How long after its flash each beep comes, on average. */
function skewOf({ flashes, beeps }: Edges): number {
  const skews = flashes.flatMap((flash) => {
    const nearest = beeps.toSorted((a, b) => Math.abs(a - flash) - Math.abs(b - flash))[0];
    return nearest === undefined || Math.abs(nearest - flash) > 0.5 ? [] : [nearest - flash];
  });
  // The end of the film is dark and silent, which both detectors call an edge.
  expect(skews.length).toBeGreaterThanOrEqual(SECONDS - 2);
  return skews.reduce((sum, skew) => sum + skew, 0) / skews.length;
}

describe('picture and sound', () => {
  test.concurrent.each([
    {
      name: 'of a source without B-frames',
      bFrames: 0,
      sampleRate: 48_000,
      ladder: [SMALL_RUNG] as readonly unknown[],
    },
    {
      name: 'of a source with B-frames',
      bFrames: 2,
      sampleRate: 48_000,
      ladder: [SMALL_RUNG] as readonly unknown[],
    },
    {
      name: 'of a source with 44.1 kHz',
      bFrames: 2,
      sampleRate: 44_100,
      ladder: [SMALL_RUNG] as readonly unknown[],
    },
    {
      name: 'of a source that is passed through',
      bFrames: 2,
      sampleRate: 48_000,
      ladder: ['source'] as readonly unknown[],
    },
  ])(
    '$name stay together: a flash and its beep are as far apart as they were',
    async ({ name, bFrames, sampleRate, ladder }) => {
      const maxSkewSeconds = ladder.includes('source') ? PASSED_THROUGH_SECONDS : AUDIO_FRAME_SECONDS;
      const system = await millrace();
      await withLogs(
        () => system,
        async () => {
          const film = await makeFilm(bFrames, sampleRate);
          const sent = skewOf(await edgesOf(film));
          const channel: Channel = await createChannel(
            system,
            name.replaceAll(/[^a-z0-9]+/gi, '-').toLowerCase(),
            {
              ...{ ladder, graceSeconds: 1, windowSegments: 10 },
            },
          );
          await publish(channel.publishUrl, { path: film, seconds: SECONDS, frames: SECONDS * RATE }).ended;
          await waitForPlayable(channel);
          await waitFor(
            'the end of the session',
            async () => (await sessionOf(system, channel))?.state === 'ended',
          );
          for (const url of channel.hls) {
            const served = skewOf(await edgesOf(url));
            expect(Math.abs(served - sent)).toBeLessThanOrEqual(maxSkewSeconds);
          }
        },
      );
    },
    TEST_DEADLINE_MS,
  );
});
