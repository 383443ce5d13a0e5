import { session } from '@millrace/contracts';
import type { relay, sink } from '@millrace/contracts';
import { parseFragment } from '@millrace/media';
import type { Lane } from './attempt-plan.ts';
import { createAssembler } from './encoded-lane.ts';
import type { AssembledPart, MediaSample } from './media-sample.ts';
import type { PartAssembler } from './part-assembler.ts';
import type { PartGrid } from './part-grid.ts';
import { SourceCutter } from './source-cutter.ts';

/** What a passed-through access unit led to. */
export interface PassthroughOutput {
  readonly parts: readonly AssembledPart[];
  /** Everything before this position that has no media is a gap; unset when nothing is. */
  readonly gapUntil?: sink.Position;
  /** A segment that is a gap because the encoder sent no IDR at its start. */
  readonly missedK?: number;
}

const NOTHING: PassthroughOutput = { parts: [] };

/**
 * Makes the parts of a rendition from the encoder's own access units.
 *
 * One access unit is held back: only the next one's decode time says how long it really lasts.
 */
export class PassthroughLane {
  readonly rendition: session.Rendition;
  readonly #assembler: PartAssembler;
  readonly #cutter: SourceCutter | undefined;
  #held: MediaSample | undefined;

  /** `isGapSegment`: the segment of the first part began as a gap. */
  constructor(lane: Lane, grid: PartGrid, isGapSegment: boolean) {
    this.rendition = lane.rendition;
    this.#assembler = createAssembler(lane, grid);
    this.#cutter =
      lane.rendition.kind === session.TrackKind.VIDEO
        ? new SourceCutter(grid, lane.rendition.timescale, lane.first, isGapSegment)
        : undefined;
  }

  /** Takes the next access unit of its track. */
  push(fragment: relay.Fragment): PassthroughOutput {
    const held = this.#held;
    this.#held = sampleOf(fragment);
    return held === undefined ? NOTHING : this.#take({ ...held, duration: fragment.dts - held.dts });
  }

  /** The period is over: what is held and open is complete. */
  flush(): PassthroughOutput {
    const held = this.#held;
    this.#held = undefined;
    const last = held === undefined ? NOTHING : this.#take(held);
    return { ...last, parts: [...last.parts, ...this.#assembler.flush()] };
  }

  #take(sample: MediaSample): PassthroughOutput {
    const cut = this.#cutter?.cut(sample) ?? KEEP;
    switch (cut.kind) {
      case 'keep':
        return { parts: this.#assembler.push(sample) };
      case 'past':
        return NOTHING;
      case 'gap':
        return {
          parts: this.#assembler.flush(),
          gapUntil: cut.position,
          ...(cut.isFirst ? { missedK: cut.position.k } : {}),
        };
    }
  }
}

const KEEP = { kind: 'keep' } as const;

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
