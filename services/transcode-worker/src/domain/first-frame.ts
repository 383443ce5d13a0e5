import { frameTicks, rationalToNumber, VIDEO_TIMESCALE } from '@millrace/media';
import type { Rational } from '@millrace/media';

/**
 * The time of the first frame at or after `ticks` on the frame grid of a constant rate that begins with a period, in 90 kHz
 * ticks; never before the period's start.
 */
export function firstFrameAtOrAfter(ticks: number, startTicks: number, rate: Rational): number {
  const elapsedSeconds = Math.max(0, ticks - startTicks) / VIDEO_TIMESCALE;
  // An estimate in floating point, one frame low: the loop takes at most two steps from there.
  let index = Math.max(0, Math.floor(elapsedSeconds * rationalToNumber(rate)) - 1);
  while (startTicks + frameTicks(index, rate) < ticks) index += 1;
  return startTicks + frameTicks(index, rate);
}
