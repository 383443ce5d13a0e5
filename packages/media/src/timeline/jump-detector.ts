import { rationalToNumber } from './rational.ts';
import type { Rational } from './rational.ts';

/** Steps up to this size, forward or backward, are the encoder's ordinary irregularity. */
export const ORDINARY_STEP_MS = 1000;

/**
 * What a step of a track's decode time means: it goes on; it is behind what was seen (a duplicate, a resent or late frame);
 * time passed without media; or the encoder's clock jumped, which opens a period.
 */
export type Step = 'continuous' | 'behind' | 'gap' | 'jump';

/**
 * Judges the step from a track's latest unit to the next: a forward jump of x is a gap when the wall clock advanced by
 * x ± SEG/2 and x ≤ grace.
 */
export function classifyStep(options: {
  readonly stepMs: number;
  readonly wallMs: number;
  readonly segmentDuration: Rational;
  readonly graceSeconds: number;
}): Step {
  const { stepMs, wallMs, segmentDuration, graceSeconds } = options;
  if (stepMs < -ORDINARY_STEP_MS) return 'jump';
  if (stepMs <= 0) return 'behind';
  if (stepMs <= ORDINARY_STEP_MS) return 'continuous';
  const isElapsed = Math.abs(wallMs - stepMs) <= 500 * rationalToNumber(segmentDuration);
  return isElapsed && stepMs <= graceSeconds * 1000 ? 'gap' : 'jump';
}
