import { VIDEO_TIMESCALE } from './grid.ts';
import { assertSafe, compareRationals, rational, rationalToNumber } from './rational.ts';
import type { Rational } from './rational.ts';

/** Rates that cameras and encoders have, the likelier first where two are too close to tell apart. */
const STANDARD_RATES: readonly Rational[] = [
  ...[30, 25, 60, 50, 24, 15, 20, 10, 12, 48, 120, 100, 5, 1].map((value) => rational(value, 1)),
  ...[30_000, 60_000, 24_000, 15_000, 120_000].map((value) => rational(value, 1001)),
  rational(25, 2),
];

const SLOWEST = 1;
const FASTEST = 240;
/** 29.97 and 23.98 mean 30000/1001 and 24000/1001. */
const WRITTEN_RATE_TOLERANCE = 0.006;
/** Two statements about a rate that differ by less than this mean the same. */
const AGREEMENT = 0.005;
/** A clock of whole milliseconds is off by up to half of one, at both ends of a span. */
const CLOCK_ERROR_MS = 1.01;
const FEWEST_FRAMES = 4;
const CAP_TOLERANCE = 1.002;

/** Ticks from a period's start to frame `index` at 90 kHz, rounded to the nearest tick, halves up; exact at any index. */
export function frameTicks(index: number, rate: Rational): number {
  const seconds = Math.floor(index / rate.numerator);
  const rest = index - seconds * rate.numerator;
  const scaled = 2 * rest * VIDEO_TIMESCALE * rate.denominator + rate.numerator;
  return assertSafe(seconds * VIDEO_TIMESCALE * rate.denominator + Math.floor(scaled / (2 * rate.numerator)));
}

/** The rate that `onMetaData.framerate` means: 29.97 is 30000/1001. `undefined` for what cannot be a frame rate. */
export function frameRateFromNumber(value: number): Rational | undefined {
  if (!(value >= SLOWEST && value <= FASTEST)) return undefined;
  const near = STANDARD_RATES.map((rate) => ({ rate, error: Math.abs(rationalToNumber(rate) - value) }))
    .filter(({ error }) => error < WRITTEN_RATE_TOLERANCE)
    .toSorted((a, b) => a.error - b.error)[0];
  return near?.rate ?? rational(Math.round(value * 1000), 1000);
}

/**
 * The rate of a track by what was said about it: the VUI's, else the metadata's.
 *
 * Where they contradict each other (a field rate in one of them), nothing is known and the rate is to be measured.
 */
export function statedFrameRate(
  vui: Rational | undefined,
  metadata: number | undefined,
): Rational | undefined {
  const fromMetadata = metadata === undefined ? undefined : frameRateFromNumber(metadata);
  if (vui === undefined || !isPlausible(vui)) return fromMetadata;
  if (fromMetadata === undefined) return vui;
  const ratio = rationalToNumber(fromMetadata) / rationalToNumber(vui);
  return Math.abs(ratio - 1) <= AGREEMENT ? vui : undefined;
}

/** The rates that were said, the VUI's first: where they contradict each other, one of them is likely right all the same. */
export function claimedFrameRates(
  vui: Rational | undefined,
  metadata: number | undefined,
): readonly Rational[] {
  const fromMetadata = metadata === undefined ? undefined : frameRateFromNumber(metadata);
  return [vui, fromMetadata].filter((rate) => rate !== undefined).filter(isPlausible);
}

/**
 * Measures a rate from decode times in ms, each rounded to a whole ms: the claimed or standard rate on whose frame times all
 * of them lie, with no frame missing. `undefined` means the rate varies.
 *
 * Half a second does not tell 29.97 from 30: a claimed rate goes before the likelier one.
 */
export function measureFrameRate(
  timesMs: readonly number[],
  claimed: readonly Rational[] = [],
): Rational | undefined {
  const [first] = timesMs;
  if (first === undefined || timesMs.length < FEWEST_FRAMES) return undefined;
  return [...claimed, ...STANDARD_RATES].find((rate) => {
    const frameMs = 1000 / rationalToNumber(rate);
    return timesMs.every((time, index) => Math.abs(time - first - index * frameMs) <= CLOCK_ERROR_MS);
  });
}

/**
 * The segment duration that a source's keyframe interval gives: the interval, or the smallest multiple of it that lasts at
 * least a second. `frames` at a known rate is exact: 60 frames at 29.97 are 1001/500 s.
 */
export function segmentDurationOfInterval(
  interval: { frames: number; rate: Rational } | { ms: number },
): Rational {
  const duration =
    'ms' in interval
      ? rational(Math.max(1, Math.round(interval.ms)), 1000)
      : rational(Math.max(1, interval.frames) * interval.rate.denominator, interval.rate.numerator);
  const multiple = Math.max(1, Math.ceil(duration.denominator / duration.numerator));
  return rational(duration.numerator * multiple, duration.denominator);
}

/**
 * The rate that an encoded rung runs at: the source's, divided by the smallest whole number that brings it under the cap.
 *
 * Exact: 60000/1001 under a cap of 30 is 30000/1001. A rate up to 0.2 % above the cap stays (30 under 29.97), so that what was
 * fixed at opening also fits an encoder that comes back with its rate written differently. Without a source rate the cap is
 * the rate, without a cap the source's is.
 */
export function encodedFrameRate(
  source: Rational | undefined,
  cap: Rational | undefined,
): Rational | undefined {
  if (source === undefined || cap === undefined) return source ?? cap;
  const ratio = rationalToNumber(source) / rationalToNumber(cap);
  return rational(source.numerator, source.denominator * Math.max(1, Math.ceil(ratio / CAP_TOLERANCE)));
}

function isPlausible(rate: Rational): boolean {
  return (
    compareRationals(rate, { numerator: SLOWEST, denominator: 1 }) >= 0 &&
    compareRationals(rate, { numerator: FASTEST, denominator: 1 }) <= 0
  );
}
