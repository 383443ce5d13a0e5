import type { Ticks } from '@millrace/media';

/** The grid point K × SEG in a timescale, in whole ticks, rounded down; exact where SEG is whole in it. */
export function gridTicks(k: number, seg: Ticks, timescale: number): number {
  return Number((BigInt(k) * BigInt(seg.value) * BigInt(timescale)) / BigInt(seg.timescale));
}
