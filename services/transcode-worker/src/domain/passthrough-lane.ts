import type { relay, session } from '@millrace/contracts';
import { parseFragment } from '@millrace/media';
import type { Lane } from './attempt-plan.ts';
import { BoundedAssembler } from './bounded-assembler.ts';
import type { DurationTerms } from './bounded-assembler.ts';
import { NO_OUTPUT } from './lane-output.ts';
import type { LaneOutput } from './lane-output.ts';
import type { MediaSample } from './media-sample.ts';
import type { PartGrid } from './part-grid.ts';

/**
 * Makes the parts of a rendition from the encoder's own access units.
 *
 * One access unit is held back: only the next one's decode time says how long it really lasts.
 */
export class PassthroughLane {
  readonly rendition: session.Rendition;
  readonly #assembler: BoundedAssembler;
  #held: MediaSample | undefined;

  /** `isGapSegment`: the segment of the first part began as a gap. */
  constructor(
    lane: Lane,
    grid: PartGrid,
    options: { readonly presentation: DurationTerms; readonly isGapSegment: boolean },
  ) {
    this.rendition = lane.rendition;
    this.#assembler = new BoundedAssembler(lane, grid, options);
  }

  /** Takes the next access unit of its track. */
  push(fragment: relay.Fragment): LaneOutput {
    const held = this.#held;
    this.#held = sampleOf(fragment);
    return held === undefined
      ? NO_OUTPUT
      : this.#assembler.push({ ...held, duration: fragment.dts - held.dts });
  }

  /** The period is over: what is held and open is complete. */
  flush(): LaneOutput {
    const held = this.#held;
    this.#held = undefined;
    const last = held === undefined ? NO_OUTPUT : this.#assembler.push(held);
    return { ...last, parts: [...last.parts, ...this.#assembler.flush()] };
  }
}

function sampleOf(fragment: relay.Fragment): MediaSample {
  const [sample] = parseFragment(fragment.data).samples;
  return {
    dts: fragment.dts,
    duration: fragment.duration,
    compositionOffset: fragment.compositionOffset,
    isSync: fragment.isRandomAccess,
    data: sample?.data ?? new Uint8Array(0),
  };
}
