import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { frameTicks } from './frame-rate.ts';
import { segmentNumber } from './grid.ts';
import { rational } from './rational.ts';
import type { Rational } from './rational.ts';
import { SessionTimeline } from './session-timeline.ts';
import { Invariants } from './testdata/invariants.ts';
import { runs } from './testdata/runs.ts';
import {
  audioConfig,
  frames,
  interleave,
  pictures,
  START_MS,
  TimelineProbe,
  videoConfig,
} from './testdata/synthetic-encoder.ts';
import type { SentUnit } from './testdata/synthetic-encoder.ts';
import type { TimelineEvent, WireUnit } from './timeline-event.ts';

const RATES: readonly Rational[] = [
  rational(24_000, 1001),
  rational(25, 1),
  rational(30_000, 1001),
  rational(30, 1),
  rational(50, 1),
  rational(60_000, 1001),
  rational(60, 1),
];
const SEGMENTS: readonly Rational[] = [
  rational(1, 1),
  rational(2, 1),
  rational(1001, 500),
  rational(48, 25),
  rational(6, 1),
];

describe('the timeline', () => {
  it('lays every rate, segment duration and sample rate out exactly, and equal boundaries come of it', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...RATES),
        fc.constantFrom(...SEGMENTS),
        fc.constantFrom(48_000, 44_100, 32_000),
        fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        fc.integer({ min: 0, max: 10_000 }),
        (rate, segment, sampleRate, firstMs, startMs) => {
          const probe = new TimelineProbe({ segmentDurationSeconds: segment });
          probe.begin(START_MS + startMs, { video: videoConfig(rate), audio: audioConfig(sampleRate) });
          const audioCount = Math.floor((200 * rate.denominator * sampleRate) / (rate.numerator * 1024));
          const units = interleave(
            pictures({ rate, count: 200 }),
            frames({ sampleRate, count: audioCount }),
          ).map(({ unit, atMs }) => ({
            atMs,
            unit: { ...unit, timestampMs: (unit.timestampMs + firstMs) % 2 ** 32 },
          }));
          probe.send(units, START_MS + startMs);
          new Invariants().check(probe.events);
          const [opened] = probe.opened;
          if (opened === undefined) throw new Error('no period');
          expect(probe.opened).toHaveLength(1);
          expect(probe.warnings).toEqual([]);
          const video = probe.units('video');
          expect(video.map(({ dts }) => dts)).toEqual(
            Array.from({ length: 200 }, (_, index) => opened.startTicks + frameTicks(index, rate)),
          );
          const audio = probe.units('audio');
          expect(audio.every(({ dts }, index) => dts === (audio[0]?.dts ?? 0) + index * 1024)).toBe(true);
          expect(segmentNumber(audio[0]?.dts ?? 0, sampleRate, segment)).toBe(opened.firstK);
          expect(segmentNumber((audio[0]?.dts ?? 0) - 1024, sampleRate, segment)).toBe(opened.firstK - 1);
        },
      ),
      runs(0.05),
    );
  });

  it('gives the same events however often the clock is looked at', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(undefined, ...RATES),
        fc.array(fc.nat(9), { minLength: 5, maxLength: 40 }),
        fc.boolean(),
        (rate, ticks, hasAudio) => {
          const sent = interleave(
            pictures({ rate: rate ?? rational(30, 1), count: 100, gop: 30 }),
            hasAudio ? frames({ count: 100, fromMs: 900 }) : [],
          );
          const run = (isTicked: boolean): TimelineEvent[] => {
            const probe = new TimelineProbe();
            probe.begin(START_MS, {
              video: videoConfig(rate),
              audio: hasAudio ? audioConfig() : undefined,
              hasAudio: true,
            });
            let before = 0;
            sent.forEach((unit, index) => {
              const count = isTicked ? (ticks[index % ticks.length] ?? 0) : 0;
              for (let tick = 1; tick <= count; tick++) {
                const atMs = before + ((unit.atMs - before) * tick) / (count + 1);
                probe.events.push(...probe.timeline.tick(START_MS + atMs));
              }
              before = unit.atMs;
              probe.send([unit]);
            });
            return probe.events;
          };
          expect(run(true)).toEqual(run(false));
        },
      ),
      runs(0.05),
    );
  });

  it('audio and video may be interleaved in any way within a second: same units, same times', () => {
    const video = pictures({ rate: rational(25, 1), count: 100 });
    const audio = frames({ count: 180 });
    const times = (units: readonly SentUnit[]): Record<string, string[]> => {
      const probe = new TimelineProbe();
      probe.begin(START_MS, { video: videoConfig(rational(25, 1)), audio: audioConfig() });
      // The anchor comes first: it is what the grid hangs on.
      probe.send(units);
      const of = (kind: 'video' | 'audio'): string[] =>
        probe.units(kind).map(({ dts, data }) => `${dts} ${data.join()}`);
      return { video: of('video'), audio: of('audio') };
    };
    const expected = times(interleave(video, audio));
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 900 }), { minLength: 1, maxLength: 30 }), (delays) => {
        let latest = 0;
        const delayed = audio.map((unit, index) => {
          latest = Math.max(latest, unit.atMs + (delays[index % delays.length] ?? 0));
          return { ...unit, atMs: latest };
        });
        expect(times(interleave(video, delayed))).toEqual(expected);
      }),
      runs(0.05),
    );
  });

  it.each([-500, 500])(
    'runs by an encoder, picture and sound, that is %i ppm off for 24 hours: no drift, no loss, bounded',
    (ppm) => {
      const timeline = new SessionTimeline({
        segmentDurationSeconds: rational(2, 1),
        graceSeconds: 30,
        isVariableFrameRate: false,
        defaultAudio: audioConfig(48_000, 0),
      });
      const rate = rational(30_000, 1001);
      const sampleRate = 4000;
      const invariants = new Invariants();
      const data = new Uint8Array(1);
      timeline.beginPublication(START_MS);
      timeline.setMetadata({ hasVideo: true, hasAudio: true });
      timeline.configure(videoConfig(rate), START_MS);
      timeline.configure(audioConfig(sampleRate), START_MS);
      // Every 15th picture is enough to see a drift, and keeps the day cheap; the sound is whole, with few samples.
      const stride = 15;
      const dayMs = 24 * 3600 * 1000;
      const pictureMs = (index: number): number => (index * stride * 1_001_000) / 30_000;
      const frameMs = (index: number): number => (index * 1024 * 1000) / sampleRate;
      let [pictureCount, frameCount, periods, largest, warnings] = [0, 0, 0, 0, 0];
      let start = { ticks: 0, picture: 0 };
      let [lastPicture, lastFrame] = [0, 0];
      const take = (events: readonly TimelineEvent[], picture: number): void => {
        invariants.check(events);
        largest = Math.max(largest, events.length);
        for (const event of events) {
          if (event.type === 'period-opened') {
            periods += 1;
            start = { ticks: event.startTicks, picture };
            lastFrame = 0;
          } else if (event.type === 'warning') {
            warnings += 1;
          } else if (event.type === 'unit' && event.kind === 'video') {
            pictureCount += 1;
            lastPicture = event.dts;
            const exact = start.ticks + frameTicks((picture - start.picture) * stride, rate);
            if (event.dts !== exact) throw new Error(`picture ${picture} has drifted`);
          } else if (event.type === 'unit') {
            // A period that begins between two frames has silence up to the next one.
            if (event.isFiller && lastFrame > 0) throw new Error('sound was made up');
            if (!event.isFiller) frameCount += 1;
            if (lastFrame > 0 && event.dts !== lastFrame + 1024) throw new Error('the sound has a hole');
            lastFrame = event.dts;
          }
        }
      };
      let [picture, frame] = [0, 0];
      while (pictureMs(picture) < dayMs) {
        const isVideo = pictureMs(picture) <= frameMs(frame);
        const atMs = isVideo ? pictureMs(picture) : frameMs(frame);
        const unit: WireUnit = {
          kind: isVideo ? 'video' : 'audio',
          timestampMs: Math.round(atMs) % 2 ** 31,
          compositionOffsetMs: 0,
          isRandomAccess: !isVideo || picture % 3 === 0,
          data,
        };
        take(timeline.push(unit, START_MS + atMs * (1 - ppm / 1e6)), picture);
        if (isVideo) {
          // Picture and sound of the same moment are laid out at the same moment, to within the grid and the interleaving.
          const apartSeconds = Math.abs(lastPicture / 90_000 - lastFrame / sampleRate);
          if (lastFrame > 0 && apartSeconds > 3 * 0.256) throw new Error(`${apartSeconds} s apart`);
          picture += 1;
        } else {
          frame += 1;
        }
      }
      expect(pictureCount).toBe(picture);
      expect(largest).toBeLessThan(20);
      // 43 s in a day: a slow encoder gets a period for each SEG it loses, a fast one is only reported.
      if (ppm > 0) expect([periods, warnings]).toEqual([1, 1]);
      else expect(Math.abs(periods - 21)).toBeLessThanOrEqual(2);
      // A period may begin between two frames of sound.
      expect(frame - frameCount).toBeLessThanOrEqual(2 * periods);
    },
  );
});
