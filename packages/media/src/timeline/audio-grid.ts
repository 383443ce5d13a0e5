import { rescale, segmentFirstTick, VIDEO_TIMESCALE } from './grid.ts';
import type { Rational } from './rational.ts';

/** Timestamps are followed within this many frames. */
const TOLERANCE_FRAMES = 2;
/** Up to this deviation a frame is repeated; a longer hole is filled with silence, which repeating would make a buzz. */
const REPEAT_LIMIT_FRAMES = 4;

/** What to do with an audio frame. */
export type AudioPlacement =
  | { readonly action: 'place'; readonly index: number }
  /** One frame too few came: the last one is put at `index` again, this one behind it. */
  | { readonly action: 'repeat'; readonly index: number }
  /** Silence goes from `from` up to `index`, where this one goes. */
  | { readonly action: 'fill'; readonly from: number; readonly index: number }
  | { readonly action: 'drop' };

/**
 * Lays audio frames on the grid of whole frames since 1970 (`dts = n * samplesPerFrame`), the same in every process.
 *
 * Indexes count from the first frame of the period's first segment.
 */
export class AudioGrid {
  readonly #firstFrame: number;
  /** Samples from the first frame to the period's start: may be negative or positive by less than a frame. */
  readonly #startSamples: number;
  readonly #sampleRate: number;
  readonly #samplesPerFrame: number;
  #next = 0;
  /** Where silence would go on after a hole that no track has media in. */
  #floor = 0;
  /** The next frame goes to its nearest place: it is the first, or follows a hole or filler. */
  #isLoose = true;
  #isHole = false;

  constructor(options: {
    readonly firstK: number;
    readonly startTicks: number;
    readonly segmentDuration: Rational;
    readonly sampleRate: number;
    readonly samplesPerFrame: number;
  }) {
    const { firstK, startTicks, segmentDuration, sampleRate, samplesPerFrame } = options;
    this.#sampleRate = sampleRate;
    this.#samplesPerFrame = samplesPerFrame;
    this.#firstFrame = Math.ceil(segmentFirstTick(firstK, sampleRate, segmentDuration) / samplesPerFrame);
    this.#startSamples =
      rescale(startTicks, VIDEO_TIMESCALE, sampleRate) - this.#firstFrame * samplesPerFrame;
  }

  /** Decode time of a frame in samples since 1970. */
  dtsOf(index: number): number {
    return (this.#firstFrame + index) * this.#samplesPerFrame;
  }

  /** Ms from the period's start to the end of what was laid out, or to the end of a hole that all tracks share. */
  get frontMs(): number {
    return this.#msOf(Math.max(this.#next, this.#floor));
  }

  /** Finds the place of a frame whose time is `timeMs` after the period's start, and takes it. */
  place(timeMs: number): AudioPlacement {
    const exact = ((timeMs * this.#sampleRate) / 1000 + this.#startSamples) / this.#samplesPerFrame;
    if (this.#isLoose) return this.#placeNearest(exact);
    const deviation = exact - this.#next;
    if (deviation < -TOLERANCE_FRAMES) return { action: 'drop' };
    if (deviation > REPEAT_LIMIT_FRAMES) return this.#placeNearest(exact);
    const index = this.#next;
    if (deviation <= TOLERANCE_FRAMES) return this.#take({ action: 'place', index }, index);
    return this.#take({ action: 'repeat', index }, index + 1);
  }

  /** Takes the next place for silence when the front is more than `lagMs` before `frontMs`; `undefined` when it is not. */
  fill(frontMs: number, lagMs: number): number | undefined {
    const index = Math.max(this.#next, this.#floor);
    if (this.#msOf(index + 1) > frontMs - lagMs) return undefined;
    this.#next = index + 1;
    this.#isLoose = true;
    this.#isHole = false;
    return index;
  }

  /** Nobody has media up to `timeMs`: no silence is put there. */
  skipTo(timeMs: number): void {
    const exact = ((timeMs * this.#sampleRate) / 1000 + this.#startSamples) / this.#samplesPerFrame;
    this.#floor = Math.max(this.#floor, Math.round(exact));
    this.#isLoose = true;
    this.#isHole = true;
  }

  #placeNearest(exact: number): AudioPlacement {
    const index = Math.round(exact);
    if (index < this.#next) return { action: 'drop' };
    const from = this.#next;
    if (this.#isHole || index === from) return this.#take({ action: 'place', index }, index);
    return this.#take({ action: 'fill', from, index }, index);
  }

  #take(placement: AudioPlacement, index: number): AudioPlacement {
    this.#next = index + 1;
    this.#isLoose = false;
    this.#isHole = false;
    return placement;
  }

  #msOf(index: number): number {
    return ((index * this.#samplesPerFrame - this.#startSamples) * 1000) / this.#sampleRate;
  }
}
