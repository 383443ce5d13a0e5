import type { session } from '@millrace/contracts';
import { marshalFragment } from '@millrace/media';
import type { Lane } from './attempt-plan.ts';
import type { AssembledPart, MediaSample } from './media-sample.ts';
import { PartAssembler } from './part-assembler.ts';
import type { PartGrid } from './part-grid.ts';
import { RENDITION_TRACK_ID } from './rendition-init.ts';
import { SampleAssertions } from './sample-assertions.ts';

/**
 * Makes the parts of one encoded rendition from what ffmpeg writes: asserts each sample, groups them, and holds a segment's
 * parts back until it is whole where parts are not listed one by one.
 */
export class EncodedLane {
  readonly rendition: session.Rendition;
  readonly #assertions: SampleAssertions;
  readonly #assembler: PartAssembler;
  readonly #lastPart: number;
  readonly #isHeld: boolean;
  #held: AssembledPart[] = [];

  /** `isHeld`: parts come out segment by segment (rungs with B-frames: an unfinished segment is made again whole). */
  constructor(lane: Lane, grid: PartGrid, isHeld: boolean) {
    this.rendition = lane.rendition;
    this.#assertions = new SampleAssertions(grid, lane.rendition, lane.firstTicks);
    this.#assembler = createAssembler(lane, grid);
    this.#lastPart = grid.partsPerSegment - 1;
    this.#isHeld = isHeld;
  }

  /** Takes the next sample; throws `OutputAssertionError` when it is not the one that has to come. */
  push(sample: MediaSample): readonly AssembledPart[] {
    this.#assertions.check(sample);
    return this.#release(this.#assembler.push(sample));
  }

  /** The period is over: what is open is complete. */
  flush(): readonly AssembledPart[] {
    const parts = [...this.#held, ...this.#assembler.flush()];
    this.#held = [];
    return parts;
  }

  #release(parts: readonly AssembledPart[]): readonly AssembledPart[] {
    if (!this.#isHeld || parts.length === 0) return parts;
    const released: AssembledPart[] = [];
    for (const part of parts) {
      // A segment that ended without its last part is whole when the next one begins.
      if (this.#held[0] !== undefined && this.#held[0].position.k !== part.position.k)
        released.push(...this.#held.splice(0));
      this.#held.push(part);
      if (part.position.part === this.#lastPart) released.push(...this.#held.splice(0));
    }
    return released;
  }
}

/** Makes the assembler of a rendition; equal samples give equal bytes, whoever groups them. */
export function createAssembler(lane: Lane, grid: PartGrid): PartAssembler {
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
