import { segmentStartTicks } from '@millrace/media';
import type { PublishOutcome } from '@millrace/runtime';

const MS_PER_SECOND = 1000;
/** No more than this is missing between two encoders; beyond, some is seen twice. */
const MAX_MISSING_MS = 800;

/** When the IDR has to have come that an encoder begins with when it follows on another one, by ingest's clock. */
export interface SpliceWindow {
  /** The other one was last heard of. */
  readonly fromMs: number;
  /** May lie before `fromMs`: then there is no such IDR. */
  readonly untilMs: number;
}

/**
 * The window for the first IDR of an encoder that goes on air now.
 *
 * It ends where the next segment begins, too: a period begins with the first segment at or after the arrival of its IDR, so a
 * later one would leave a whole segment free.
 */
export function spliceWindow(
  { record, idleMs }: Pick<Extract<PublishOutcome, { kind: 'accepted' }>, 'record' | 'idleMs'>,
  nowMs: number,
): SpliceWindow {
  const fromMs = nowMs - idleMs;
  const { presentation, periods, currentK } = record;
  const segment = presentation?.segmentDurationSeconds;
  const lastK = Math.max(currentK, periods.at(-1)?.lastK ?? 0);
  const nextStartMs = segment === undefined ? Infinity : segmentStartTicks(lastK + 1, MS_PER_SECOND, segment);
  return { fromMs, untilMs: Math.min(fromMs + MAX_MISSING_MS, nextStartMs) };
}
