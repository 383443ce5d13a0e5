import { setTimeout as delay } from 'node:timers/promises';
import { relay } from '@millrace/contracts';
import type { session, sink } from '@millrace/contracts';
import { subscriptionStart } from './attempt-plan.ts';
import type { LadderShedding, SheddingDecision } from './ladder-shedding.ts';
import { comparePositions } from './part-grid.ts';
import { PeriodAttempt } from './period-attempt.ts';
import type { AttemptOutcome } from './period-attempt.ts';
import { RestartBudget } from './restart-budget.ts';
import type { SessionContext } from './session-context.ts';

/** How a period ended: its rows are complete unless it was aborted. */
export type PeriodOutcome = 'period-ended' | 'session-ended' | 'aborted';

/** A worker that finds no rows joins a period at its start when that is no further back than this. */
const MAX_JOIN_BACK_SEGMENTS = 3;
const RELAY_BACKOFF_MS = 250;

/** Makes one period of a session: attempt after attempt, each from where the rows end. */
export class PeriodRunner {
  readonly #context: SessionContext;
  readonly #ordinal: number;
  readonly #shedding: LadderShedding;
  readonly #budget = new RestartBudget();
  /** Renditions that are to begin later than where their rows end. */
  readonly #floors = new Map<string, sink.Position>();
  #firstK: number | undefined;
  #newest = { dts: 0, timescale: 1 };
  #hasRun = false;

  constructor(context: SessionContext, ordinal: number, shedding: LadderShedding) {
    this.#context = context;
    this.#ordinal = ordinal;
    this.#shedding = shedding;
  }

  /** Runs until every row of the period is authored. */
  async run(signal: AbortSignal): Promise<PeriodOutcome> {
    this.#beginKnown();
    while (!signal.aborted) {
      const attempt = new PeriodAttempt(this.#context, {
        ordinal: this.#ordinal,
        fromTicks: this.#fromTicks(),
        begin: (period) => this.#begin(period),
        observeLateness: (lateMs) => this.#observeLateness(lateMs),
        onInput: (dts, timescale) => this.#noteInput(dts, timescale),
        lastK: () => this.#lastK(),
        onProgress: () => this.#noteProgress(),
        onBoundaryMissed: (renditionId, k) => this.#noteBoundaryMissed(renditionId, k),
        patience: this.#budget.patience,
      });
      const outcome = await attempt.run(signal);
      const change = attempt.pendingChange;
      if (change !== undefined) this.#applyChange(change.decision, change.lateMs);
      const end = await this.#judge(outcome, signal);
      if (end !== undefined) return end;
    }
    return 'aborted';
  }

  async #judge(outcome: AttemptOutcome, signal: AbortSignal): Promise<PeriodOutcome | undefined> {
    switch (outcome.kind) {
      case 'aborted':
        return 'aborted';
      case 'ended':
        return this.#judgeEnd(outcome.reason, signal);
      case 'failed':
        await this.#prepareRestart(outcome, signal);
        return undefined;
      case 'changed':
        return undefined;
      case 'init-differs':
        return this.#abandon(`the init segment of ${outcome.renditionId} differs`, signal);
      case 'relay-failed':
        this.#context.logger.warn(
          { err: outcome.error, sessionId: this.#context.sessionId },
          'The subscription to ingest failed; subscribing again',
        );
        await pause(RELAY_BACKOFF_MS, signal);
        return undefined;
    }
  }

  async #judgeEnd(reason: relay.EndReason, signal: AbortSignal): Promise<PeriodOutcome | undefined> {
    switch (reason) {
      case relay.EndReason.SESSION_ENDED:
        this.#endPeriod();
        return 'session-ended';
      case relay.EndReason.LAGGED:
        return this.#abandon('ingest no longer holds the resume point', signal);
      case relay.EndReason.MOVED:
        await pause(RELAY_BACKOFF_MS, signal);
        return undefined;
      case relay.EndReason.PERIOD_ENDED:
      case relay.EndReason.UNSPECIFIED:
        this.#endPeriod();
        return 'period-ended';
    }
  }

  /** The period cannot be continued: what it lacks is gaps, and the session goes on in the next one. */
  async #abandon(reason: string, signal: AbortSignal): Promise<PeriodOutcome | undefined> {
    const { sessionId, leaseToken, logger, record } = this.#context;
    logger.warn(
      { sessionId, period: this.#ordinal, reason },
      'The period cannot be continued; its missing rows become gaps',
    );
    const isOpen = !record().periods.some(
      ({ ordinal, lastK }) => ordinal > this.#ordinal || (ordinal === this.#ordinal && lastK !== undefined),
    );
    if (isOpen) {
      try {
        await this.#context.relay.openPeriod({ sessionId, leaseToken, reason });
      } catch (error) {
        logger.warn({ err: error, sessionId }, 'Ingest did not open a new period; trying again');
        await pause(RELAY_BACKOFF_MS, signal);
        return undefined;
      }
    }
    const lastK = record().periods.find(({ ordinal }) => ordinal === this.#ordinal)?.lastK ?? 0;
    if (this.#firstK !== undefined) this.#context.rows.endPeriod(Math.max(lastK, this.#lastK()));
    return 'period-ended';
  }

  async #prepareRestart(
    failure: Extract<AttemptOutcome, { kind: 'failed' }>,
    signal: AbortSignal,
  ): Promise<void> {
    const terms = this.#budget.next();
    this.#noteRestart(failure.reason, failure.detail);
    if (terms.isPositionGivenUp) this.#giveUpSegment();
    if (terms.delayMs > 0) await pause(terms.delayMs, signal);
  }

  /** Again and again nothing came out of this segment: the next one may be better. */
  #giveUpSegment(): void {
    const { author } = this.#context.rows;
    for (const { id, isPassthrough } of this.#context.presentation.renditions) {
      if (!isPassthrough) this.#floors.set(id, { k: author.next(id).k + 1, part: 0 });
    }
  }

  #applyChange(decision: SheddingDecision, lateMs: number): void {
    const { channel, sessionId, events, metrics, rows, presentation } = this.#context;
    const { renditionId, isShed } = decision;
    metrics.shedRungs.inc(isShed ? 1 : -1);
    events.emit({
      type: 'RungShed',
      data: { channel, sessionId, renditionId, isShed, lateMs: Math.round(lateMs) },
    });
    this.#noteRestart(isShed ? 'shed' : 'restore', `${renditionId}, output ${Math.round(lateMs)} ms late`);
    if (isShed) return;
    let boundary = 0;
    for (const { id } of presentation.renditions) {
      const next = rows.author.next(id);
      boundary = Math.max(boundary, next.part === 0 ? next.k : next.k + 1);
    }
    this.#floors.set(renditionId, { k: boundary, part: 0 });
  }

  #noteRestart(reason: string, detail: string): void {
    const { channel, sessionId, events, metrics, logger } = this.#context;
    metrics.restarts.inc({ reason });
    events.emit({ type: 'TranscoderRestarted', data: { channel, sessionId, reason, detail } });
    logger.warn({ sessionId, reason, detail }, 'The transcoder is started again from where its output ends');
  }

  /** A period that is known already can be begun before ingest tells of it. */
  #beginKnown(): void {
    const { rows, record } = this.#context;
    const { history } = rows.author;
    const known = history.numbersOf(this.#ordinal);
    if (known !== undefined) return this.#beginAt(known.firstK);
    const { periods, currentK } = record();
    const period = periods.find(({ ordinal }) => ordinal === this.#ordinal);
    if (!history.isEmpty || period === undefined || currentK - period.firstK <= MAX_JOIN_BACK_SEGMENTS)
      return undefined;
    return this.#beginAt(currentK + 1);
  }

  #begin(period: session.Period): ReadonlyMap<string, sink.Position> {
    if (this.#firstK === undefined) this.#beginAt(period.firstK);
    return this.#positions();
  }

  #beginAt(firstK: number): void {
    this.#firstK = firstK;
    this.#context.rows.author.beginPeriod(this.#ordinal, firstK);
  }

  #endPeriod(): void {
    if (this.#firstK !== undefined) this.#context.rows.endPeriod(this.#lastK());
  }

  /** The last segment of the period: of what ingest says, what was read, and what is authored already. */
  #lastK(): number {
    const { rows, grid, presentation, record } = this.#context;
    let lastK = (this.#firstK ?? 0) - 1;
    if (this.#newest.dts > 0)
      lastK = Math.max(lastK, grid.positionOf(this.#newest.dts, this.#newest.timescale).k);
    else lastK = record().periods.find(({ ordinal }) => ordinal === this.#ordinal)?.lastK ?? lastK;
    for (const { id } of presentation.renditions) {
      const next = rows.author.next(id);
      if (next.k < Number.MAX_SAFE_INTEGER) lastK = Math.max(lastK, next.part === 0 ? next.k - 1 : next.k);
    }
    return lastK;
  }

  #fromTicks(): number | undefined {
    if (this.#firstK === undefined) return undefined;
    const start = this.#context.record().periods.find(({ ordinal }) => ordinal === this.#ordinal)?.firstK;
    return subscriptionStart(this.#positions(), start ?? this.#firstK, this.#context.grid);
  }

  /** The first part of each rendition that an attempt is to make. */
  #positions(): ReadonlyMap<string, sink.Position> {
    const { author } = this.#context.rows;
    const positions = new Map<string, sink.Position>();
    for (const { id } of this.#context.presentation.renditions) {
      if (this.#shedding.shed.includes(id)) continue;
      const next = author.next(id);
      const floor = this.#floors.get(id) ?? next;
      positions.set(id, comparePositions(next, floor) < 0 ? floor : next);
    }
    return positions;
  }

  #observeLateness(lateMs: number): SheddingDecision | undefined {
    const { channel, sessionId, metrics, clock } = this.#context;
    metrics.lateness.set({ channel, session: sessionId }, lateMs / 1000);
    return this.#shedding.observe(clock(), lateMs);
  }

  #noteInput(dts: number, timescale: number): void {
    if (dts / timescale > this.#newest.dts / this.#newest.timescale) this.#newest = { dts, timescale };
  }

  #noteProgress(): void {
    this.#budget.noteProgress();
    if (this.#hasRun) return;
    this.#hasRun = true;
    const { channel, sessionId, events } = this.#context;
    events.emit({ type: 'LadderRunning', data: { channel, sessionId, period: this.#ordinal } });
  }

  #noteBoundaryMissed(renditionId: string, k: number): void {
    const { channel, sessionId, events, metrics, logger, segmentSeconds } = this.#context;
    metrics.missedBoundaries.inc();
    events.emit({
      type: 'SourceBoundaryMissed',
      data: { channel, sessionId, k, keyframeIntervalSeconds: segmentSeconds },
    });
    logger.warn(
      { sessionId, renditionId, k },
      `The encoder sent no IDR at a segment start, so the segment is a gap; set its keyframe interval to ${segmentSeconds} s`,
    );
  }
}

/** Waits, or until the signal is aborted. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {});
}
