import { VIDEO_TIMESCALE } from './grid.ts';
import { rational } from './rational.ts';
import type { Rational } from './rational.ts';

/** How long the samples of a rendition are: what decides how far a part is from its nominal duration. */
export interface SampleCadence {
  /** Duration of one sample in seconds; unset when it varies. */
  readonly sampleDuration: Rational | undefined;
  readonly timescale: number;
}

/** A varying frame rate is taken to have at least this many frames per second. */
const VARIABLE_RATE_FLOOR: Rational = { numerator: 15, denominator: 1 };
/** L-1: a part that is not the last of its segment has at least this share of PART-TARGET. */
const SHORTEST_PART_SHARE = 0.85;
const MICROSECONDS = 1_000_000n;

/** The cadence of video at a frame rate; `undefined` for a variable one. */
export function videoCadence(frameRate: Rational | undefined): SampleCadence {
  const sampleDuration =
    frameRate === undefined
      ? undefined
      : { numerator: frameRate.denominator, denominator: frameRate.numerator };
  return { sampleDuration, timescale: VIDEO_TIMESCALE };
}

/** The cadence of AAC at a sample rate. */
export function audioCadence(sampleRate: number, samplesPerFrame = 1024): SampleCadence {
  return { sampleDuration: rational(samplesPerFrame, sampleRate), timescale: sampleRate };
}

/**
 * The part duration of a session: the wanted one, raised to the next divisor of SEG (SEG / m) until the shortest full part
 * of every rendition has at least 85 % of the part target (L-1).
 */
export function raisePartDuration(
  wanted: Rational,
  segment: Rational,
  cadences: readonly SampleCadence[],
): Rational {
  const ratio = (segment.numerator * wanted.denominator) / (segment.denominator * wanted.numerator);
  for (let parts = Math.max(1, Math.floor(ratio)); parts > 1; parts--) {
    const candidate = rational(segment.numerator, segment.denominator * parts);
    const shortest = Math.min(...cadences.map((cadence) => shortestSpanUs(candidate, cadence)));
    if (shortest >= SHORTEST_PART_SHARE * partTargetUs(candidate, cadences)) return candidate;
  }
  return segment;
}

/** EXT-X-PART-INF:PART-TARGET in microseconds: the longest part any rendition can have in whole samples (L-1). */
export function partTargetUs(partDuration: Rational, cadences: readonly SampleCadence[]): number {
  return Math.max(...cadences.map((cadence) => longestSpanUs(partDuration, cadence)));
}

/** EXT-X-TARGETDURATION in seconds: the longest segment any rendition can have, rounded as a player rounds EXTINF (H-1, H-2). */
export function targetDurationSeconds(segment: Rational, cadences: readonly SampleCadence[]): number {
  return Math.max(1, Math.round(partTargetUs(segment, cadences) / 1e6));
}

function longestSpanUs(span: Rational, { sampleDuration, timescale }: SampleCadence): number {
  if (sampleDuration === undefined) return toMicroseconds(span) + floorDurationUs();
  const samples = countSamples(span, sampleDuration);
  const count = samples.quotient + (samples.isWhole ? 0n : 1n);
  return spanUs(count, sampleDuration) + roundingUs(sampleDuration, timescale);
}

function shortestSpanUs(span: Rational, { sampleDuration, timescale }: SampleCadence): number {
  if (sampleDuration === undefined) return toMicroseconds(span) - floorDurationUs();
  return (
    spanUs(countSamples(span, sampleDuration).quotient, sampleDuration) -
    roundingUs(sampleDuration, timescale)
  );
}

function countSamples(span: Rational, sample: Rational): { quotient: bigint; isWhole: boolean } {
  const dividend = BigInt(span.numerator) * BigInt(sample.denominator);
  const divisor = BigInt(span.denominator) * BigInt(sample.numerator);
  return { quotient: dividend / divisor, isWhole: dividend % divisor === 0n };
}

/** Where a sample is not whole ticks long (59.94 fps), rounded times make a span up to one tick longer or shorter. */
function roundingUs({ numerator, denominator }: Rational, timescale: number): number {
  return (numerator * timescale) % denominator === 0 ? 0 : Math.ceil(1e6 / timescale);
}

function spanUs(count: bigint, { numerator, denominator }: Rational): number {
  const divisor = BigInt(denominator);
  return Number((count * BigInt(numerator) * MICROSECONDS + divisor - 1n) / divisor);
}

function toMicroseconds(span: Rational): number {
  return spanUs(1n, span);
}

function floorDurationUs(): number {
  return spanUs(1n, {
    numerator: VARIABLE_RATE_FLOOR.denominator,
    denominator: VARIABLE_RATE_FLOOR.numerator,
  });
}
