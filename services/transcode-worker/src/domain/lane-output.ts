import type { sink } from '@millrace/contracts';
import type { AssembledPart } from './media-sample.ts';

/** Why a segment is a gap although media were expected in it. */
export type GapCause =
  /** The encoder sent no IDR at its start. */
  | 'no-idr'
  /** The encoder sent nothing for a part of it. */
  | 'hole';

/** What a sample led to: parts, and after them gaps. */
export interface LaneOutput {
  readonly parts: readonly AssembledPart[];
  /** Everything before this position that has no media is a gap; unset when nothing is. */
  readonly gapUntil?: sink.Position;
  /** A segment that turned out to be a gap, and why; said once for each. */
  readonly lost?: { readonly k: number; readonly cause: GapCause };
}

/** Nothing yet. */
export const NO_OUTPUT: LaneOutput = { parts: [] };
