import type { session } from '@millrace/contracts';
import type { Lane } from './attempt-plan.ts';
import { BoundedAssembler } from './bounded-assembler.ts';
import type { DurationTerms } from './bounded-assembler.ts';
import type { LaneOutput } from './lane-output.ts';
import type { AssembledPart, MediaSample } from './media-sample.ts';
import type { PartGrid } from './part-grid.ts';
import { SampleAssertions } from './sample-assertions.ts';

/**
 * Makes the parts of one encoded rendition from what ffmpeg writes: asserts each sample, groups them, and holds a segment's
 * parts back until it is whole where parts are not listed one by one.
 */
export class EncodedLane {
  readonly rendition: session.Rendition;
  readonly #assertions: SampleAssertions;
  readonly #assembler: BoundedAssembler;
  readonly #lastPart: number;
  readonly #isHeld: boolean;
  #held: AssembledPart[] = [];

  /** `isHeld`: parts come out segment by segment (rungs with B-frames: an unfinished segment is made again whole). */
  constructor(
    lane: Lane,
    grid: PartGrid,
    { presentation, isHeld }: { readonly presentation: DurationTerms; readonly isHeld: boolean },
  ) {
    this.rendition = lane.rendition;
    this.#assertions = new SampleAssertions(grid, lane.rendition, lane);
    this.#assembler = new BoundedAssembler(lane, grid, { presentation, isGapSegment: false });
    this.#lastPart = grid.partsPerSegment - 1;
    this.#isHeld = isHeld;
  }

  /** Takes the next sample; throws `OutputAssertionError` when it is not the one that has to come. */
  push(sample: MediaSample): LaneOutput {
    this.#assertions.check(sample);
    const output = this.#assembler.push(sample);
    const parts = this.#release(output.parts);
    // What a hole interrupts is complete as far as it goes.
    return { ...output, parts: output.gapUntil === undefined ? parts : [...parts, ...this.#held.splice(0)] };
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
