import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { rational } from './rational.ts';
import { runs } from './testdata/runs.ts';
import {
  audioConfig,
  frames,
  interleave,
  pictures,
  shifted,
  START_MS,
  TimelineProbe,
  videoConfig,
} from './testdata/synthetic-encoder.ts';
import type { SentUnit } from './testdata/synthetic-encoder.ts';
import type { TimelineEvent, TimelineUnit } from './timeline-event.ts';

const FPS_25 = rational(25, 1);
const SEG_MS = 2000;
const GRACE_MS = 30_000;
/** What a boundary of a rule may be off by: encoders write whole milliseconds, and a step includes a picture's duration. */
const MARGIN_MS = 50;

const startMs = fc.integer({ min: START_MS, max: START_MS + 10_000_000 });

/** First grid point at or after a moment, in BigInt. */
function gridAtOrAfter(ms: number, seg: { numerator: number; denominator: number }): number {
  const scaled = BigInt(ms) * BigInt(seg.denominator);
  const step = 1000n * BigInt(seg.numerator);
  return Number((scaled + step - 1n) / step);
}

function publishing(): TimelineProbe {
  const probe = new TimelineProbe();
  probe.begin(START_MS, { video: videoConfig(FPS_25), audio: audioConfig() });
  return probe;
}

function without(units: readonly SentUnit[], fromMs: number, toMs: number): SentUnit[] {
  return units.filter(({ atMs }) => atMs < fromMs || atMs >= toMs);
}

function fillers(units: readonly TimelineUnit[]): TimelineUnit[] {
  return units.filter(({ isFiller }) => isFiller);
}

describe('the rules of time', () => {
  it('anchor: the first IDR is on the first grid point at or after its arrival, a later one on that or K + 2', () => {
    fc.assert(
      fc.property(
        startMs,
        fc.constantFrom(rational(1, 1), rational(2, 1), rational(1001, 500), rational(48, 25)),
        fc.integer({ min: 1, max: 150 }),
        fc.integer({ min: 0, max: 20_000 }),
        (firstMs, seg, count, pauseMs) => {
          const probe = new TimelineProbe({ segmentDurationSeconds: seg });
          probe.begin(firstMs, { video: videoConfig(FPS_25) });
          probe.send(pictures({ rate: FPS_25, count }), firstMs);
          expect(probe.opened.map(({ firstK }) => firstK)).toEqual([gridAtOrAfter(firstMs, seg)]);
          const lastK = probe.timeline.lastK ?? 0;
          const againMs = firstMs + count * 40 + pauseMs;
          probe.end(againMs);
          probe.begin(againMs, { video: videoConfig(FPS_25) });
          probe.send(pictures({ rate: FPS_25, count: 10 }), againMs);
          expect(probe.opened[1]?.firstK).toBe(Math.max(gridAtOrAfter(againMs, seg), lastK + 2));
        },
      ),
      runs(0.2),
    );
  });

  it('wall clock: whatever delays units, each segment has the offset of those that were least delayed', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 900 }), { minLength: 1, maxLength: 60 }), (delays) => {
        const probe = new TimelineProbe();
        probe.begin(START_MS, { video: videoConfig(FPS_25) });
        // The first is on time: from it on, nothing that is late may raise the envelope within its 30 s.
        let latest = 0;
        const late = pictures({ rate: FPS_25, count: 250 }).map(({ unit, atMs }, index) => {
          latest = Math.max(latest, atMs + (index === 0 ? 0 : (delays[index % delays.length] ?? 0)));
          return { unit, atMs: latest };
        });
        probe.send(late);
        const expectedUs = (START_MS - (probe.opened[0]?.firstK ?? 0) * SEG_MS) * 1000;
        expect(probe.segments.length).toBeGreaterThanOrEqual(5);
        expect(new Set(probe.segments.map(({ utcOffsetUs }) => utcOffsetUs))).toEqual(new Set([expectedUs]));
      }),
      runs(0.1),
    );
  });

  it('wall clock: an encoder that falls behind by more than SEG gets a period, one that does by less does not', () => {
    fc.assert(
      fc.property(fc.integer({ min: SEG_MS - 800, max: SEG_MS + 800 }), (lateMs) => {
        fc.pre(Math.abs(lateMs - SEG_MS) > MARGIN_MS);
        const probe = new TimelineProbe();
        probe.begin(START_MS, { video: videoConfig(FPS_25) });
        probe.send(pictures({ rate: FPS_25, count: 250, gop: 50 }));
        // Past the 30 s of the envelope, and on to the next IDR.
        probe.send(pictures({ rate: FPS_25, count: 900, gop: 50, fromMs: 10_000 }), START_MS + lateMs);
        const expected = lateMs > SEG_MS ? ['first', 'encoder-late'] : ['first'];
        expect(probe.opened.map(({ reason }) => reason)).toEqual(expected);
      }),
      runs(0.03),
    );
  });

  it('jumps: forward is a gap within SEG/2 of the wall clock and the grace time; every other jump is a period', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.integer({ min: -60_000, max: 60_000 }), fc.integer({ min: -1500, max: 8000 })),
        fc.oneof(fc.integer({ min: 0, max: 60_000 }), fc.constant(undefined)),
        fc.integer({ min: 600, max: 1400 }).chain((ms) => fc.constantFrom(0, ms, -ms, 3 * ms)),
        (stepMs, anyWallMs, differenceMs) => {
          const wallMs = Math.max(0, anyWallMs ?? stepMs + differenceMs);
          const isForward = stepMs > 1000;
          const borders = [stepMs + 1000, stepMs - 1000, stepMs - GRACE_MS];
          if (isForward) borders.push(Math.abs(wallMs - stepMs) - SEG_MS / 2);
          fc.pre(borders.every((border) => Math.abs(border) > MARGIN_MS));
          const probe = publishing();
          // The last picture has the timestamp 70000.
          probe.send(pictures({ rate: FPS_25, count: 26, fromMs: 69_000 }));
          const next = pictures({ rate: FPS_25, count: 3, fromMs: 70_000 + stepMs });
          probe.send(next, START_MS + wallMs - stepMs);
          const isGap = isForward && Math.abs(wallMs - stepMs) <= SEG_MS / 2 && stepMs <= GRACE_MS;
          const isJump = stepMs < -1000 || (isForward && !isGap);
          expect(probe.opened.map(({ reason }) => reason)).toEqual(
            isJump ? ['first', 'timestamp-jump'] : ['first'],
          );
        },
      ),
      runs(0.3),
    );
  });

  it('jumps: a clock that wraps at 2^31, 2^32 or 2^24 ms makes no difference, wherever in the feed it does', () => {
    const feed = interleave(
      pictures({ rate: FPS_25, count: 100, gop: 50 }).map(({ unit, atMs }, index) => ({
        atMs,
        unit: { ...unit, compositionOffsetMs: index % 3 === 0 ? 40 : 0 },
      })),
      frames({ count: 180 }),
    );
    const run = (units: readonly SentUnit[]): TimelineEvent[] => {
      const probe = publishing();
      probe.send(units);
      probe.end(START_MS + 5000);
      return probe.events;
    };
    const expected = run(feed);
    expect(expected.length).toBeGreaterThan(280);
    fc.assert(
      fc.property(
        fc.constantFrom(31, 31, 32, 24),
        // Also before the first unit, and behind the last one; below 0 is where ffmpeg's negative decode times begin.
        fc.integer({ min: -200, max: 5000 }),
        (bits, wrapAtMs) => {
          expect(run(shifted(feed, 2 ** bits - wrapAtMs, bits))).toEqual(expected);
        },
      ),
      runs(0.1),
    );
  });

  it('filling: audio that is away is silence in its exact grid, and nothing is invented once it is back', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 500, max: 5000 }),
        // What is missing for less than a second may as well be a repeated frame (rule `audio`).
        fc.integer({ min: 1100, max: 8000 }),
        (fromMs, lengthMs) => {
          const probe = publishing();
          const sent = frames({ count: 750 });
          const kept = without(sent, fromMs, fromMs + lengthMs);
          probe.send(interleave(pictures({ rate: FPS_25, count: 400 }), kept));
          const audio = probe.units('audio');
          expect(audio.every(({ dts }, index) => dts === (audio[0]?.dts ?? 0) + index * 1024)).toBe(true);
          // As many as were lost, within the two frames that the grid may be off.
          expect(Math.abs(fillers(audio).length - (sent.length - kept.length))).toBeLessThanOrEqual(2);
          expect(fillers(audio).every(({ data }) => data[0] === 0x21)).toBe(true);
          expect(probe.opened).toHaveLength(1);
        },
      ),
      runs(0.1),
    );
  });

  it('filling: video that is away is its last IDR once a second, until the next IDR; when both are, nothing is', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 500, max: 5000 }),
        fc.integer({ min: 1200, max: 8000 }),
        fc.boolean(),
        (fromMs, lengthMs, isAudioAwayToo) => {
          const probe = publishing();
          const toMs = fromMs + lengthMs;
          const sound = frames({ count: 750 });
          const video = without(pictures({ rate: FPS_25, count: 400, gop: 50 }), fromMs, toMs);
          probe.send(interleave(video, isAudioAwayToo ? without(sound, fromMs, toMs) : sound));
          const filled = fillers(probe.units('video'));
          expect(probe.opened).toHaveLength(1);
          if (isAudioAwayToo) {
            expect(filled).toEqual([]);
            return;
          }
          const lastIdrMs = Math.floor((fromMs - 1) / SEG_MS) * SEG_MS;
          const nextIdrMs = Math.ceil(toMs / SEG_MS) * SEG_MS;
          const awayMs = nextIdrMs - fromMs;
          expect(Math.abs(filled.length - awayMs / 1000)).toBeLessThanOrEqual(2);
          for (const [index, { dts, data, isRandomAccess }] of filled.entries()) {
            if (index > 0) expect(dts - (filled[index - 1]?.dts ?? 0)).toBe(90_000);
            expect([isRandomAccess, data[1]]).toEqual([true, (lastIdrMs / 40) & 255]);
          }
        },
      ),
      runs(0.1),
    );
  });

  it('source: a boundary is met exactly where the encoder has an IDR, and SEG: source is its interval, at least 1 s', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 5, max: 120 }),
        fc.constantFrom(FPS_25, rational(30_000, 1001), rational(60, 1)),
        (gop, rate) => {
          const probe = new TimelineProbe();
          probe.begin(START_MS, { video: videoConfig(FPS_25) });
          probe.send(pictures({ rate: FPS_25, count: 301, gop }));
          const boundaries = probe.events.filter((event) => event.type === 'boundary');
          expect(boundaries.map(({ isMet }) => isMet)).toEqual(
            Array.from({ length: 6 }, (_, index) => ((index + 1) * 50) % gop === 0),
          );
          const own = new TimelineProbe({ segmentDurationSeconds: 'source' });
          own.begin(START_MS, { video: videoConfig(rate) });
          own.send(pictures({ rate, count: 300, gop }));
          const multiple = Math.ceil(rate.numerator / (gop * rate.denominator));
          expect(own.opened[0]?.segmentDuration).toEqual(
            rational(gop * rate.denominator * multiple, rate.numerator),
          );
          expect(own.events.every((event) => event.type !== 'boundary' || event.isMet)).toBe(true);
        },
      ),
      runs(0.1),
    );
  });
});
