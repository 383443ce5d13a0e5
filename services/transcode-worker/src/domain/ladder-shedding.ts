import { session } from '@millrace/contracts';
import type { WorkerConfig } from '../config.ts';

/** An encoded video rung that may be taken out. */
export interface SheddableRung {
  readonly renditionId: string;
  /** Pixels of its frame. */
  readonly area: number;
}

/** What to do about the ladder. */
export interface SheddingDecision {
  readonly renditionId: string;
  readonly isShed: boolean;
}

/** When a rung goes and when it comes back, all in ms. */
export interface SheddingThresholds {
  /** Output later than this takes a rung out: one SEG. */
  readonly shedAboveMs: number;
  /** Output that stays below this brings one back: 0.2 SEG. */
  readonly restoreBelowMs: number;
  /** How long it has to stay below: 30 s; doubled by each return that fails. */
  readonly restoreAfterMs: number;
  /** How long the output may be late, or a change may take effect, before a rung goes. */
  readonly settleMs: number;
}

const MAX_DOUBLINGS = 6;

/**
 * Decides which rungs are encoded while the encoder is slower than real time.
 *
 * The rung with the largest frame goes first and comes back last; the one with the smallest frame is never taken out.
 */
export class LadderShedding {
  readonly #thresholds: SheddingThresholds;
  /** Largest first, without the smallest. */
  readonly #candidates: readonly SheddableRung[];
  readonly #shed: string[] = [];
  readonly #failedReturns = new Map<string, number>();
  /** Since when the output is late without having caught up, and how late it was then. */
  #late: { readonly sinceMs: number; readonly lateMs: number } | undefined;
  #lowSinceMs: number | undefined;
  #returned: { readonly renditionId: string; readonly atMs: number } | undefined;

  constructor(rungs: readonly SheddableRung[], thresholds: SheddingThresholds) {
    this.#thresholds = thresholds;
    this.#candidates = [...rungs].sort((a, b) => b.area - a.area).slice(0, -1);
  }

  /** Renditions that are out. */
  get shed(): readonly string[] {
    return this.#shed;
  }

  /** Judges how late the output is; at most one change per call, which has then taken effect here. */
  observe(nowMs: number, lateMs: number): SheddingDecision | undefined {
    this.#forgive(nowMs);
    if (lateMs > this.#thresholds.shedAboveMs) return this.#shedNext(nowMs, lateMs);
    if (lateMs >= this.#thresholds.restoreBelowMs) {
      this.#lowSinceMs = undefined;
      this.#late = undefined;
      return undefined;
    }
    this.#late = undefined;
    this.#lowSinceMs ??= nowMs;
    return this.#restoreLast(nowMs, this.#lowSinceMs);
  }

  #shedNext(nowMs: number, lateMs: number): SheddingDecision | undefined {
    this.#lowSinceMs = undefined;
    const late = (this.#late ??= { sinceMs: nowMs, lateMs });
    if (nowMs - late.sinceMs < this.#thresholds.settleMs) return undefined;
    this.#late = { sinceMs: nowMs, lateMs };
    const rung = this.#candidates[this.#shed.length];
    // After a restart, or a burst of the encoder, it is late and catches up: that needs time, not a smaller ladder.
    if (lateMs < late.lateMs || rung === undefined) return undefined;
    this.#shed.push(rung.renditionId);
    if (this.#returned?.renditionId === rung.renditionId) {
      const failed = this.#failedReturns.get(rung.renditionId) ?? 0;
      this.#failedReturns.set(rung.renditionId, Math.min(failed + 1, MAX_DOUBLINGS));
      this.#returned = undefined;
    }
    return { renditionId: rung.renditionId, isShed: true };
  }

  #restoreLast(nowMs: number, lowSinceMs: number): SheddingDecision | undefined {
    const renditionId = this.#shed.at(-1);
    if (renditionId === undefined || nowMs - lowSinceMs < this.#waitFor(renditionId)) return undefined;
    this.#shed.pop();
    this.#returned = { renditionId, atMs: nowMs };
    this.#lowSinceMs = undefined;
    return { renditionId, isShed: false };
  }

  /** A rung that stayed as long as it had to wait has returned for good. */
  #forgive(nowMs: number): void {
    const returned = this.#returned;
    if (returned === undefined || nowMs - returned.atMs < this.#waitFor(returned.renditionId)) return;
    this.#failedReturns.delete(returned.renditionId);
    this.#returned = undefined;
  }

  #waitFor(renditionId: string): number {
    return this.#thresholds.restoreAfterMs * 2 ** (this.#failedReturns.get(renditionId) ?? 0);
  }
}

/** Decides for the encoded video rungs of a presentation. */
export function createShedding(
  renditions: readonly session.Rendition[],
  lateness: WorkerConfig['lateness'],
  segmentSeconds: number,
): LadderShedding {
  const segmentMs = segmentSeconds * 1000;
  const rungs = renditions
    .filter(({ kind, isPassthrough }) => kind === session.TrackKind.VIDEO && !isPassthrough)
    .map(({ id, width, height }) => ({ renditionId: id, area: width * height }));
  return new LadderShedding(rungs, {
    shedAboveMs: lateness.shedAboveSegments * segmentMs,
    restoreBelowMs: lateness.restoreBelowSegments * segmentMs,
    restoreAfterMs: lateness.restoreAfterSeconds * 1000,
    settleMs: 2 * segmentMs,
  });
}
