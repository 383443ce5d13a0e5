import { session } from '@millrace/contracts';
import type { sink } from '@millrace/contracts';
import { marshalFragment } from '@millrace/media';
import type { Lane } from './attempt-plan.ts';
import { NO_OUTPUT } from './lane-output.ts';
import type { LaneOutput } from './lane-output.ts';
import type { AssembledPart, MediaSample } from './media-sample.ts';
import { PartAssembler } from './part-assembler.ts';
import type { PartGrid } from './part-grid.ts';
import { RENDITION_TRACK_ID } from './rendition-init.ts';
import { SourceCutter } from './source-cutter.ts';

/** A picture this much later than its part's start is one or two frames that were dropped, not a hole. */
const LATE_SECONDS = 0.1;
/** EXTINF, rounded, is no longer than the target duration (H-2), and the packager refuses what is. */
const SEGMENT_TOLERANCE_SECONDS = 0.5;
const AAC_FRAME_SAMPLES = 1024;

/**
 * Groups samples whose distances nobody vouches for into parts and segments that are never longer than was declared.
 *
 * A sample lasts until the next one. Where that would make a part or a segment too long, the sample ends with its part: if the
 * next one is late by a frame or two, it begins there in decode time, its presentation time unchanged; else there is a hole,
 * and every segment that it touches beyond the part is a gap as a whole.
 */
export class BoundedAssembler {
  readonly #grid: PartGrid;
  readonly #timescale: number;
  readonly #isVideo: boolean;
  readonly #assembler: PartAssembler;
  readonly #cutter: SourceCutter;
  readonly #partTicks: number;
  readonly #segmentTicks: number;
  readonly #lateTicks: number;
  #position: sink.Position | undefined;
  #partStart = 0;
  #segmentStart = 0;
  #partEndTick = 0;
  /** How much earlier than said the next sample is decoded. */
  #advanceTicks = 0;

  /** `isGapSegment`: the segment of the first part began as a gap. */
  constructor(
    lane: Lane,
    grid: PartGrid,
    options: { readonly presentation: DurationTerms; readonly isGapSegment: boolean },
  ) {
    const { timescale, kind } = lane.rendition;
    const { partTargetUs, targetDurationSeconds } = options.presentation;
    this.#grid = grid;
    this.#timescale = timescale;
    this.#isVideo = kind === session.TrackKind.VIDEO;
    this.#assembler = createAssembler(lane, grid);
    // Times are rounded to ticks on both ends.
    this.#partTicks = Math.ceil((partTargetUs * timescale) / 1e6) + 1;
    this.#segmentTicks = (targetDurationSeconds + SEGMENT_TOLERANCE_SECONDS) * timescale;
    this.#lateTicks = Math.max(
      LATE_SECONDS * timescale,
      kind === session.TrackKind.AUDIO ? 2 * AAC_FRAME_SAMPLES : 0,
    );
    const { first } = lane;
    const { isGapSegment } = options;
    this.#cutter = new SourceCutter({ grid, timescale, first, lateTicks: this.#lateTicks, isGapSegment });
  }

  /** Adds a sample that lasts until the next one. */
  push(given: MediaSample): LaneOutput {
    const sample = this.#advance(given);
    const cut = this.#cutter.cut(sample);
    switch (cut.kind) {
      case 'keep':
        return this.#keep(sample);
      case 'past':
        return NO_OUTPUT;
      case 'gap': {
        const { position, cause } = cut;
        const lost = cause === undefined ? {} : { lost: { k: position.k, cause } };
        return { parts: this.#assembler.flush(), gapUntil: position, ...lost };
      }
    }
  }

  /** Completes the part that is open, at the end of a period. */
  flush(): readonly AssembledPart[] {
    return this.#assembler.flush();
  }

  #keep(sample: MediaSample): LaneOutput {
    const position = this.#enter(sample.dts);
    const end = sample.dts + sample.duration;
    const isWithin =
      end - this.#partStart <= this.#partTicks && end - this.#segmentStart < this.#segmentTicks;
    if (isWithin || end <= this.#partEndTick) return { parts: this.#assembler.push(sample) };
    const next = this.#grid.after(position);
    const boundary = this.#grid.startTicksOf(next, this.#timescale);
    const parts = this.#assembler.push({ ...sample, duration: Math.max(1, boundary - sample.dts) });
    if (this.#isVideo && end - boundary <= this.#lateTicks) {
      this.#advanceTicks = end - boundary;
      return { parts };
    }
    this.#cutter.interrupt();
    const gapUntil = this.#grid.positionOf(end, this.#timescale);
    return { parts, gapUntil, ...(next.part === 0 ? {} : { lost: { k: position.k, cause: 'hole' } }) };
  }

  /** The part that a sample belongs to; remembers where it and its segment begin. */
  #enter(dts: number): sink.Position {
    const known = this.#position;
    if (known !== undefined && dts < this.#partEndTick) return known;
    const position = this.#grid.positionOf(dts, this.#timescale);
    if (position.k !== known?.k) {
      const start = this.#grid.startTicksOf({ k: position.k, part: 0 }, this.#timescale);
      this.#segmentStart = position.part === 0 ? dts : start;
    }
    this.#position = position;
    this.#partStart = dts;
    this.#partEndTick = this.#grid.firstTickOf(this.#grid.after(position), this.#timescale);
    return position;
  }

  #advance(sample: MediaSample): MediaSample {
    const ticks = this.#advanceTicks;
    if (ticks === 0) return sample;
    this.#advanceTicks = 0;
    const { dts, duration, compositionOffset } = sample;
    return {
      ...sample,
      dts: dts - ticks,
      duration: duration + ticks,
      compositionOffset: compositionOffset + ticks,
    };
  }
}

/** What was declared of the durations of a session. */
export type DurationTerms = Pick<session.Presentation, 'partTargetUs' | 'targetDurationSeconds'>;

/** Makes the assembler of a rendition; equal samples give equal bytes, whoever groups them. */
function createAssembler(lane: Lane, grid: PartGrid): PartAssembler {
  return new PartAssembler({
    grid,
    timescale: lane.rendition.timescale,
    first: lane.first,
    marshal: ({ k, part }, samples) =>
      marshalFragment(
        { trackId: RENDITION_TRACK_ID, baseMediaDecodeTime: samples[0]?.dts ?? 0, samples },
        (k * grid.partsPerSegment + part) % 0x1_0000_0000,
      ),
  });
}
