import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { frameTicks } from './frame-rate.ts';
import { rational, rationalToNumber } from './rational.ts';
import type { Rational } from './rational.ts';
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

const RATES: readonly Rational[] = [
  rational(24_000, 1001),
  rational(25, 1),
  rational(30_000, 1001),
  rational(30, 1),
  rational(50, 1),
  rational(60_000, 1001),
  rational(60, 1),
];
const FPS_25 = rational(25, 1);
const SEG_MS = 2000;
const PICTURES = 90;
/** What is not stated is measured over this time. */
const OPENING_MS = 500;
const SAMPLES_PER_FRAME = 1024;
/** Audio is followed within this many frames. */
const TOLERANCE_FRAMES = 2;
/** A clock of whole milliseconds is off by up to half of one: in frames, at any of the sample rates. */
const CLOCK_ERROR_FRAMES = 0.06;

const startMs = fc.integer({ min: START_MS, max: START_MS + 10_000_000 });
const sampleRates = fc.constantFrom(48_000, 44_100, 32_000);

/** Ms of a frame at a rate, as an encoder writes it. */
const msOf = (index: number, rate: Rational): number => Math.round((index * 1000) / rationalToNumber(rate));

/** Composition offsets of a mini-GOP of three, in frames: I P B B, decoded in this order. */
const COMPOSITION = [1, 3, 0, 0, 3, 0, 0] as const;

/** Pictures with B-frames whose clock is off by `jitterMs` of their number. */
function withJitter(rate: Rational, jitterMs: (index: number) => number): SentUnit[] {
  return pictures({ rate, count: PICTURES, gop: 30 }).map(({ unit }, index) => {
    const composition = index === 0 ? 1 : (COMPOSITION[1 + ((index - 1) % 6)] ?? 0);
    const timestampMs = unit.timestampMs + jitterMs(index);
    const compositionOffsetMs = msOf(index + composition, rate) - msOf(index, rate);
    return { atMs: timestampMs, unit: { ...unit, timestampMs, compositionOffsetMs } };
  });
}

describe('video rate', () => {
  it('is the VUI’s, else the metadata’s, else that of the first 500 ms, else variable; a known one gives exact frame times', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...RATES),
        fc.constantFrom('none', 'same', 'fields'),
        fc.constantFrom('none', 'same', 'nonsense'),
        fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 1, maxLength: 7 }),
        fc.boolean(),
        (rate, vui, metadata, jitter, isEven) => {
          const fields = rational(rate.numerator * 2, rate.denominator);
          const written = Math.round(rationalToNumber(rate) * 100) / 100;
          const isStated = vui === 'same' || (vui === 'none' && metadata === 'same');
          // Half a second does not tell 29.97 from 30: without a word about it the likelier one is taken.
          const measured = vui === 'fields' ? rate : rational(Math.round(rationalToNumber(rate)), 1);
          // A field rate alone would be believed, and found out later; with the metadata it is a contradiction.
          fc.pre(vui !== 'fields' || metadata === 'same');
          const frameMs = 1000 / rationalToNumber(rate);
          const jitterMs = (index: number): number => {
            if (isEven || index === 0) return 0;
            // The second picture gives it away: it lies on no rate's frame times.
            if (index === 2) return Math.floor(0.4 * frameMs);
            return Math.trunc((jitter[index % jitter.length] ?? 0) * 0.4 * frameMs);
          };
          const sent = withJitter(rate, jitterMs);
          const probe = new TimelineProbe();
          probe.begin(START_MS, {
            video: videoConfig(vui === 'none' ? undefined : vui === 'same' ? rate : fields),
            frameRate: metadata === 'none' ? undefined : metadata === 'same' ? written : Number.NaN,
          });
          let openedAt: number | undefined;
          for (const [index, unit] of sent.entries()) {
            probe.send([unit]);
            if (probe.opened.length > 0) openedAt ??= index;
          }
          probe.end(START_MS + 10_000);
          expect(probe.opened).toHaveLength(1);
          const [opened] = probe.opened;
          const start = opened?.startTicks ?? 0;
          const known = isStated ? rate : isEven ? measured : undefined;
          expect(opened?.tracks[0]?.frameRate).toEqual(known);
          expect(openedAt).toBe(isStated ? 0 : sent.findIndex(({ unit }) => unit.timestampMs >= OPENING_MS));
          const units = probe.units('video');
          expect(units).toHaveLength(PICTURES);
          for (const [index, unit] of units.entries()) {
            const { timestampMs = 0, compositionOffsetMs = 0 } = sent[index]?.unit ?? {};
            if (known === undefined) {
              expect(unit.dts).toBe(start + timestampMs * 90);
              expect(unit.compositionOffset).toBe(
                (compositionOffsetMs - (sent[0]?.unit.compositionOffsetMs ?? 0)) * 90,
              );
              continue;
            }
            const composition = index === 0 ? 0 : (COMPOSITION[1 + ((index - 1) % 6)] ?? 0) - 1;
            expect(unit.dts).toBe(start + frameTicks(index, known));
            expect(unit.dts + unit.compositionOffset).toBe(start + frameTicks(index + composition, known));
          }
          const next = units.slice(1).map(({ dts }) => dts);
          expect(units.slice(0, -1).map(({ dts, duration }) => dts + duration)).toEqual(next);
        },
      ),
      runs(0.2),
    );
  });
});

/** How far, in frames, the first frame of audio at `fromMs` lies behind the nearest place of the grid. */
function baseOf(firstMs: number, sampleRate: number, fromMs: number): number {
  const startSeconds = Math.ceil(firstMs / SEG_MS) * (SEG_MS / 1000);
  const exact = (startSeconds * sampleRate + (fromMs * sampleRate) / 1000) / SAMPLES_PER_FRAME;
  return exact - Math.round(exact);
}

/** A period with video, and audio whose timestamps are moved by some frames each. */
function withAudio(
  firstMs: number,
  sampleRate: number,
  options: {
    readonly fromMs: number;
    readonly count: number;
    readonly moveFrames: (index: number) => number;
  },
): TimelineProbe {
  const { fromMs, count, moveFrames } = options;
  const frameMs = (SAMPLES_PER_FRAME * 1000) / sampleRate;
  const sound = frames({ sampleRate, count, fromMs }).map(({ atMs, unit }, index) => ({
    atMs,
    unit: { ...unit, timestampMs: Math.round(atMs + moveFrames(index) * frameMs) },
  }));
  const probe = new TimelineProbe();
  probe.begin(firstMs, { video: videoConfig(FPS_25), audio: audioConfig(sampleRate) });
  const videoCount = Math.ceil((fromMs + count * frameMs) / 40);
  probe.send(interleave(pictures({ rate: FPS_25, count: videoCount }), sound), firstMs);
  probe.end(firstMs + 60_000);
  return probe;
}

const numberOf = ({ data }: { readonly data: Uint8Array }): number => (data[1] ?? 0) + 256 * (data[2] ?? 0);

describe('audio', () => {
  it('whose timestamps are off by up to two frames stays on the grid: nothing is repeated, dropped or made up', () => {
    fc.assert(
      fc.property(
        startMs,
        sampleRates,
        fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 1, maxLength: 20 }),
        (firstMs, sampleRate, jitter) => {
          const fromMs = 200;
          const room = TOLERANCE_FRAMES - Math.abs(baseOf(firstMs, sampleRate, fromMs)) - CLOCK_ERROR_FRAMES;
          const moveFrames = (index: number): number =>
            index === 0 ? 0 : (jitter[index % jitter.length] ?? 0) * room;
          const probe = withAudio(firstMs, sampleRate, { fromMs, count: 150, moveFrames });
          const audio = probe.units('audio').filter(({ isFiller }) => !isFiller);
          expect(audio.map(numberOf)).toEqual(Array.from({ length: 150 }, (_, index) => index));
          const first = audio[0]?.dts ?? 0;
          expect(audio.every(({ dts }, index) => dts === first + index * SAMPLES_PER_FRAME)).toBe(true);
          expect(first % SAMPLES_PER_FRAME).toBe(0);
          expect(probe.warnings).toEqual([]);
        },
      ),
      runs(0.1),
    );
  });

  it('that steps further is corrected by whole frames, one at a time, until it is within two again; each is counted', () => {
    fc.assert(
      fc.property(
        startMs,
        sampleRates,
        fc.integer({ min: 5, max: 80 }),
        fc.double({ min: 2, max: 4, noNaN: true }),
        fc.boolean(),
        (firstMs, sampleRate, at, size, isLate) => {
          const fromMs = 200;
          const count = 150;
          const deviation = baseOf(firstMs, sampleRate, fromMs) + (isLate ? size : -size);
          const beyond = Math.abs(deviation) - TOLERANCE_FRAMES;
          // On a border the encoder's rounding decides.
          const borders = [0, 1, 2, 3].map((border) => Math.abs(beyond - border));
          fc.pre(borders.every((distance) => distance > CLOCK_ERROR_FRAMES) && beyond < 2);
          const corrections = Math.max(0, Math.ceil(beyond));
          const moveFrames = (index: number): number => (index < at ? 0 : isLate ? size : -size);
          const probe = withAudio(firstMs, sampleRate, { fromMs, count, moveFrames });
          const audio = probe.units('audio');
          const begin = audio.findIndex(({ isFiller }) => !isFiller);
          const got = audio.slice(begin);
          // No hole and no overlap, whatever was done.
          const first = got[0]?.dts ?? 0;
          expect(got.every(({ dts }, index) => dts === first + index * SAMPLES_PER_FRAME)).toBe(true);
          const numbers = Array.from({ length: count }, (_, index) => index);
          const expected = isLate
            ? numbers.flatMap((index) =>
                index >= at && index < at + corrections ? [index - 1, index] : [index],
              )
            : numbers.filter((index) => index < at || index >= at + corrections);
          expect(got.map(numberOf)).toEqual(expected);
          expect(got.filter(({ isFiller }) => isFiller)).toHaveLength(isLate ? corrections : 0);
          const counted = probe.warnings.filter(({ id }) => id === 'audio-corrected');
          expect(counted.reduce((sum, warning) => sum + (warning.count ?? 0), 0)).toBe(corrections);
        },
      ),
      runs(0.2),
    );
  });
});
