import type { sink } from '@millrace/contracts';
import type { PartRefusal } from './refusal.ts';
import type { StoredSegment } from './stored-segment.ts';

/** A part that says where it belongs. */
export type PlacedPart = sink.Part & { readonly position: sink.Position };

/** Parts of a segment: SEG / PT is far below. */
const MAX_PARTS_PER_SEGMENT = 256;
/** RFC 8216bis 4.4.3.1 lets a segment be half a second longer than the target duration. */
const TOLERANCE_SECONDS = 0.5;

/** What a segment may last; absent as long as the session record is not known. */
interface DurationLimit {
  readonly timescale: number;
  readonly targetDurationSeconds: number;
}

/** Checks what a part says of itself, whatever is held. */
export function checkPart(part: sink.Part, maxPartBytes: number): part is PlacedPart {
  const { position } = part;
  if (position === undefined) return false;
  const counts = [position.k, position.part, part.period, part.msn, part.discontinuitySequence];
  const ticks = [part.baseMediaDecodeTime, part.durationTicks];
  return (
    [...counts, ...ticks].every((value) => Number.isSafeInteger(value) && value >= 0) &&
    Number.isSafeInteger(part.utcOffsetUs) &&
    position.part < MAX_PARTS_PER_SEGMENT &&
    Number.isSafeInteger(part.runFirstK) &&
    part.runFirstK >= 0 &&
    part.runFirstK <= (part.isLast ? position.k : 0) &&
    // A discontinuity has been counted already (H-6).
    (!part.hasDiscontinuity || part.discontinuitySequence > 0) &&
    part.isGap === (part.data.length === 0) &&
    (part.isGap || part.durationTicks > 0) &&
    part.data.length <= maxPartBytes
  );
}

/** Checks the part that begins a row: numbers go on as H-5 and H-6 have it, no K of a period is left out. */
export function checkFirstPart(
  part: PlacedPart,
  previous: StoredSegment | undefined,
  limit: DurationLimit | undefined,
): PartRefusal | undefined {
  if (part.position.part !== 0) return outOfOrder('part 0 of the segment is missing');
  if (previous === undefined) return checkDuration(part, 0, limit);
  if (!previous.isComplete) return outOfOrder(`segment ${previous.k} is not complete`);
  const isSamePeriod = part.period === previous.period;
  if (part.period < previous.period) return contradiction(`the last row is of period ${previous.period}`);
  if (isSamePeriod && part.position.k !== previous.k + 1)
    return outOfOrder(`segment ${previous.k + 1} of the period is missing; publish it, if need be as a gap`);
  if (part.msn !== previous.msn + 1)
    return contradiction(`media sequence number ${part.msn} after ${previous.msn}`);
  const expected = previous.discontinuitySequence + (isSamePeriod ? 0 : 1);
  if (part.discontinuitySequence !== expected)
    return contradiction(`discontinuity sequence ${part.discontinuitySequence}, expected ${expected}`);
  if (part.hasDiscontinuity === isSamePeriod)
    return contradiction(`a row of period ${part.period} after one of ${previous.period}`);
  return checkDuration(part, 0, limit);
}

/** Checks a further part of a row that has begun. */
export function checkNextPart(
  part: PlacedPart,
  row: StoredSegment,
  limit: DurationLimit | undefined,
): PartRefusal | undefined {
  if (part.position.part !== row.parts.length) return outOfOrder(`part ${row.parts.length} is the next`);
  const isSameRow =
    part.msn === row.msn &&
    part.discontinuitySequence === row.discontinuitySequence &&
    part.hasDiscontinuity === row.hasDiscontinuity &&
    part.period === row.period;
  if (!isSameRow) return contradiction('its row is not that of the parts before it');
  return checkDuration(part, row.durationTicks, limit);
}

function checkDuration(
  part: PlacedPart,
  ticksBefore: number,
  limit: DurationLimit | undefined,
): PartRefusal | undefined {
  if (limit === undefined) return undefined;
  const seconds = (ticksBefore + part.durationTicks) / limit.timescale;
  if (seconds < limit.targetDurationSeconds + TOLERANCE_SECONDS) return undefined;
  return {
    reason: 'too-long',
    message: `the segment would last ${seconds.toFixed(3)} s, the target duration is ${limit.targetDurationSeconds} s`,
  };
}

function outOfOrder(message: string): PartRefusal {
  return { reason: 'out-of-order', message };
}

function contradiction(message: string): PartRefusal {
  return { reason: 'contradiction', message };
}
