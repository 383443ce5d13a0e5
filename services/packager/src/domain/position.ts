import type { sink } from '@millrace/contracts';

/** Orders positions: negative when `a` lies before `b`, 0 when they are the same. */
export function comparePositions(a: sink.Position, b: sink.Position): number {
  return a.k === b.k ? a.part - b.part : a.k - b.k;
}

/** A position for people: `870000000/1`. */
export function describePosition(position: sink.Position): string {
  return `${position.k}/${position.part}`;
}

/** True for a position that there can be. */
export function isPosition(position: sink.Position): boolean {
  return [position.k, position.part].every((value) => Number.isSafeInteger(value) && value >= 0);
}
