import type { sink } from '@millrace/contracts';
import type { AssembledPart, MediaSample } from './media-sample.ts';
import type { PartGrid } from './part-grid.ts';

/** Marshals the samples of one part as one moof + mdat with as many trun entries. */
export type MarshalPart = (position: sink.Position, samples: readonly MediaSample[]) => Buffer;

/** A part that grows past this is an error of whoever makes the samples. */
const MAX_PART_BYTES = 64 * 1024 * 1024;

/**
 * Groups the samples of one rendition into the parts of the grid.
 *
 * A part is complete as soon as its last sample's end lies in another part: durations are exact, so there is no need to wait
 * for the next sample. Samples before the first position (audio priming, what was published already) are dropped.
 */
export class PartAssembler {
  readonly #grid: PartGrid;
  readonly #timescale: number;
  readonly #marshal: MarshalPart;
  readonly #firstTick: number;
  #samples: MediaSample[] = [];
  #bytes = 0;
  #position: sink.Position | undefined;
  /** First tick that is not in the current part: what a sample is compared with, instead of exact division per sample. */
  #endTick = 0;

  constructor(options: {
    readonly grid: PartGrid;
    readonly timescale: number;
    readonly first: sink.Position;
    readonly marshal: MarshalPart;
  }) {
    this.#grid = options.grid;
    this.#timescale = options.timescale;
    this.#marshal = options.marshal;
    this.#firstTick = options.grid.firstTickOf(options.first, options.timescale);
  }

  /** Adds a sample; returns the parts it completed: none, its own, or the one before it and its own. */
  push(sample: MediaSample): readonly AssembledPart[] {
    if (sample.dts < this.#firstTick) return NO_PARTS;
    const complete: AssembledPart[] = [];
    if (this.#position === undefined || sample.dts >= this.#endTick) {
      complete.push(...this.flush());
      this.#open(this.#grid.positionOf(sample.dts, this.#timescale));
    }
    this.#samples.push(sample);
    this.#bytes += sample.data.byteLength;
    if (this.#bytes > MAX_PART_BYTES) throw new RangeError(`a part is larger than ${MAX_PART_BYTES} bytes`);
    if (sample.dts + sample.duration >= this.#endTick) complete.push(...this.flush());
    return complete.length === 0 ? NO_PARTS : complete;
  }

  /** Completes the part that is open, at the end of a period. */
  flush(): readonly AssembledPart[] {
    const samples = this.#samples;
    const first = samples[0];
    const position = this.#position;
    if (first === undefined || position === undefined) return NO_PARTS;
    this.#samples = [];
    this.#bytes = 0;
    this.#position = undefined;
    let durationTicks = 0;
    for (const { duration } of samples) durationTicks += duration;
    return [
      {
        position,
        baseMediaDecodeTime: first.dts,
        durationTicks,
        isIndependent: first.isSync,
        data: this.#marshal(position, samples),
      },
    ];
  }

  #open(position: sink.Position): void {
    this.#position = position;
    this.#endTick = this.#grid.firstTickOf(this.#grid.after(position), this.#timescale);
  }
}

const NO_PARTS: readonly AssembledPart[] = [];
