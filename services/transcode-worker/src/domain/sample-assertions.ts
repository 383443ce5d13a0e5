import { session } from '@millrace/contracts';
import type { sink } from '@millrace/contracts';
import type { MediaSample } from './media-sample.ts';
import type { PartGrid } from './part-grid.ts';

const AAC_FRAME_SAMPLES = 1024;

/** What ffmpeg wrote is not what it was asked for: the run is worth nothing from here on. */
export class OutputAssertionError extends Error {
  override readonly name = 'OutputAssertionError';
}

/**
 * Asserts what comes out of one encoder, sample by sample: the first decode time, IDRs on the grid and nowhere else, exact
 * durations, the exact audio grid. An exit code of 0 and an empty log prove none of it.
 */
export class SampleAssertions {
  readonly #grid: PartGrid;
  readonly #rendition: session.Rendition;
  readonly #firstTicks: number | undefined;
  /** A run that begins later than this lacks the beginning of its first part. */
  readonly #latestStart: number;
  #expectedDts: number | undefined;
  #segmentEndTick = 0;

  /**
   * `first`: the first part that is made; `firstTicks`: decode time of the first frame in 90 kHz ticks, unset for audio, whose
   * priming comes before the part.
   */
  constructor(
    grid: PartGrid,
    rendition: session.Rendition,
    run: { readonly first: sink.Position; readonly firstTicks: number | undefined },
  ) {
    this.#grid = grid;
    this.#rendition = rendition;
    this.#firstTicks = run.firstTicks;
    this.#latestStart = grid.firstTickOf(run.first, rendition.timescale);
  }

  /** Throws `OutputAssertionError` when the sample is not the one that has to come next. */
  check(sample: MediaSample): void {
    const isFirst = this.#expectedDts === undefined;
    const expected = this.#expectedDts ?? this.#firstTicks ?? sample.dts;
    if (sample.dts !== expected) this.#fail(`decode time ${sample.dts}, expected ${expected}`);
    if (sample.duration <= 0) this.#fail(`duration ${sample.duration} at ${sample.dts}`);
    this.#expectedDts = sample.dts + sample.duration;
    if (this.#rendition.kind === session.TrackKind.AUDIO) this.#checkAudio(sample, isFirst);
    else this.#checkVideo(sample, isFirst);
  }

  #checkAudio(sample: MediaSample, isFirst: boolean): void {
    if (isFirst && sample.dts > this.#latestStart)
      this.#fail(`decode time ${sample.dts}, expected one up to ${this.#latestStart}`);
    if (sample.dts % AAC_FRAME_SAMPLES !== 0)
      this.#fail(`decode time ${sample.dts} is not on the grid of ${AAC_FRAME_SAMPLES} samples`);
  }

  #checkVideo(sample: MediaSample, isFirst: boolean): void {
    const isFirstOfSegment = sample.dts >= this.#segmentEndTick;
    if (sample.isSync !== (isFirst || isFirstOfSegment))
      this.#fail(`${sample.isSync ? 'an IDR' : 'no IDR'} at ${sample.dts}`);
    if (!isFirstOfSegment) return;
    const { k } = this.#grid.positionOf(sample.dts, this.#rendition.timescale);
    this.#segmentEndTick = this.#grid.firstTickOf({ k: k + 1, part: 0 }, this.#rendition.timescale);
  }

  #fail(what: string): never {
    throw new OutputAssertionError(`${this.#rendition.id}: ${what}`);
  }
}
