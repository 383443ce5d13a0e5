import { relay, session } from '@millrace/contracts';
import type { sink } from '@millrace/contracts';
import { ServiceError } from '@millrace/runtime';
import { subscriptionStart } from './attempt-plan.ts';
import { pause, withDeadline } from './deadline.ts';
import type { GapCause } from './lane-output.ts';
import type { LadderShedding, SheddingDecision } from './ladder-shedding.ts';
import { comparePositions } from './part-grid.ts';
import { PeriodAttempt } from './period-attempt.ts';
import type { AttemptOutcome } from './period-attempt.ts';
import type { RestartBudget } from './restart-budget.ts';
import type { SessionContext } from './session-context.ts';

/** How a period ended: its rows are complete unless it was aborted. */
export type PeriodOutcome = 'period-ended' | 'session-ended' | 'aborted';

const RELAY_MOVED = 'INGEST_SESSION_MOVED';
/** A worker that finds no rows joins a period at its start when that is no further back than this. */
const MAX_JOIN_BACK_SEGMENTS = 3;
/** Ingest waits up to 10 s for the IDR that a period begins with. */
const OPEN_PERIOD_DEADLINE_MS = 12_000;
/** Failures in a row (about 10 s) after which media of a period that is over are waited for no longer. */
const MAX_FAILURES_AFTER_END = 40;

/** Makes one period of a session: attempt after attempt, each from where the rows end. */
export class PeriodRunner {
  readonly #context: SessionContext;
  readonly #ordinal: number;
  readonly #shedding: LadderShedding;
  readonly #budget: RestartBudget;
  /** Renditions that are to begin later than where their rows end. */
  readonly #floors: Map<string, sink.Position>;
  #firstK: number | undefined;
  #newest = { dts: 0, timescale: 1 };
  #hasRun = false;
  /** The attempt whose subscription broke off, until ingest is there again. */
  #tail: PeriodAttempt | undefined;
  #isAbandoned = false;

  /** `budget`: how soon ffmpeg is started again in this period; `floors`: where renditions are to begin at the earliest. */
  constructor(
    context: SessionContext,
    ordinal: number,
    state: {
      readonly shedding: LadderShedding;
      readonly budget: RestartBudget;
      readonly floors: Map<string, sink.Position>;
    },
  ) {
    this.#context = context;
    this.#ordinal = ordinal;
    this.#shedding = state.shedding;
    this.#budget = state.budget;
    this.#floors = state.floors;
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
        onSegmentLost: (renditionId, k, cause) => this.#noteSegmentLost(renditionId, k, cause),
        onRelayAlive: () => this.#context.ingestOutage.recovered(),
        patience: this.#budget.patience,
      });
      const outcome = await attempt.run(signal);
      if (outcome.kind === 'relay-failed' && attempt.hasTail) this.#tail = attempt;
      const change = attempt.pendingChange;
      if (change !== undefined) this.#applyChange(change.decision, change.lateMs);
      const end = await this.#judge(outcome, attempt.silent, signal);
      if (end !== undefined) return end;
    }
    return 'aborted';
  }

  async #judge(
    outcome: AttemptOutcome,
    silent: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<PeriodOutcome | undefined> {
    if (outcome.kind === 'ended' && outcome.reason !== relay.EndReason.MOVED)
      this.#context.ingestOutage.recovered();
    switch (outcome.kind) {
      case 'aborted':
        return 'aborted';
      case 'ended':
        return this.#judgeEnd(outcome.reason, signal);
      case 'failed':
        await this.#prepareRestart(outcome, silent, signal);
        return undefined;
      case 'changed':
        return undefined;
      case 'init-differs':
        return this.#abandon(`the init segment of ${outcome.renditionId} differs`, signal);
      case 'relay-failed':
        return this.#awaitRelay(outcome.error, signal);
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
        return this.#awaitRelay(new ServiceError('NOT_FOUND', RELAY_MOVED, 'the session has moved'), signal);
      case relay.EndReason.PERIOD_ENDED:
      case relay.EndReason.UNSPECIFIED:
        this.#endPeriod();
        return 'period-ended';
    }
  }

  /** Ingest gives nothing: it is asked again, unless the period is over and its media are nowhere any more. */
  async #awaitRelay(error: unknown, signal: AbortSignal): Promise<PeriodOutcome | undefined> {
    const { ingestOutage, record } = this.#context;
    const delayMs = ingestOutage.failed(error);
    const hasEnded = record().state === session.SessionState.ENDED;
    const hasSuccessor = record().periods.some(({ ordinal }) => ordinal > this.#ordinal);
    const isAbsent =
      error instanceof ServiceError && (error.id === 'INGEST_SESSION_UNKNOWN' || error.id === RELAY_MOVED);
    const isGivenUp = isAbsent || ingestOutage.failures > MAX_FAILURES_AFTER_END;
    if (!isGivenUp || !(hasEnded || hasSuccessor)) {
      await pause(delayMs, signal);
      return undefined;
    }
    this.#endPeriod();
    return hasSuccessor ? 'period-ended' : 'session-ended';
  }

  /** The period cannot be continued: what it lacks is gaps, and the session goes on in the next one. */
  async #abandon(reason: string, signal: AbortSignal): Promise<PeriodOutcome | undefined> {
    const { sessionId, leaseToken, logger, record, ingestOutage } = this.#context;
    if (!this.#isAbandoned) {
      logger.warn(
        { sessionId, period: this.#ordinal, reason },
        'The period cannot be continued; its missing rows become gaps',
      );
    }
    this.#isAbandoned = true;
    const isOpen = !record().periods.some(
      ({ ordinal, lastK }) => ordinal > this.#ordinal || (ordinal === this.#ordinal && lastK !== undefined),
    );
    if (isOpen) {
      try {
        const opening = this.#context.relay.openPeriod({
          ...{ sessionId, leaseToken, reason },
          afterPeriod: this.#ordinal,
        });
        await withDeadline(opening, { ms: OPEN_PERIOD_DEADLINE_MS, what: 'opening a period', signal });
        ingestOutage.recovered();
      } catch (error) {
        if (!signal.aborted) await pause(ingestOutage.failed(error), signal);
        return undefined;
      }
    }
    this.#endRows();
    return 'period-ended';
  }

  async #prepareRestart(
    failure: Extract<AttemptOutcome, { kind: 'failed' }>,
    silent: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<void> {
    const { delayMs, givenUp } = this.#budget.next(this.#context.clock());
    this.#noteRestart(failure.reason, failure.detail);
    if (givenUp !== 'nothing') {
      const { renditions } = this.#context.presentation;
      const suspects = renditions.filter(
        ({ id, kind }) => silent.has(id) && (failure.kinds === undefined || failure.kinds.has(kind)),
      );
      for (const { id } of suspects) this.#giveUp(id, givenUp);
    }
    if (delayMs > 0) await pause(delayMs, signal);
  }

  /** Again and again a rendition had nothing of a segment: it becomes a gap, and a later one may be better. */
  #giveUp(renditionId: string, what: 'segment' | 'backlog'): void {
    const { rows, grid, sessionId, logger } = this.#context;
    if (rows.author.isPast(renditionId) || this.#firstK === undefined) return;
    const { k } = rows.author.next(renditionId);
    const { dts, timescale } = this.#newest;
    const newestK = dts > 0 ? grid.positionOf(dts, timescale).k : k;
    const untilK = what === 'segment' ? k + 1 : Math.max(k + 1, newestK);
    rows.fillGaps(renditionId, { k: untilK, part: 0 });
    logger.warn(
      { sessionId, renditionId, firstK: k, lastK: untilK - 1 },
      'Nothing comes out for this rendition however often ffmpeg is started; these segments of it are gaps',
    );
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
      if (rows.author.isPast(id)) continue;
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
    const { history } = this.#context.rows.author;
    const known = history.numbersOf(this.#ordinal);
    if (known !== undefined) return this.#beginAt(known.firstK);
    const { currentK } = this.#context.record();
    const period = this.#recorded();
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
    const period = this.#recorded();
    // Nothing of it could be read any more, but it was: its segments are gaps.
    if (this.#firstK === undefined && period?.lastK !== undefined) this.#beginAt(period.firstK);
    this.#endRows();
  }

  #endRows(): void {
    if (this.#firstK === undefined) return;
    const lastK = this.#lastK();
    this.#tail?.publishTail(lastK);
    this.#context.rows.endPeriod(lastK);
  }

  #recorded(): session.Period | undefined {
    return this.#context.record().periods.find(({ ordinal }) => ordinal === this.#ordinal);
  }

  /**
   * The last segment of the period: of what ingest says, what was read, and what is authored already. What ingest has and
   * nobody could read any more is missing, and the packager waits for its rows.
   */
  #lastK(): number {
    const { rows, grid, presentation } = this.#context;
    let lastK = Math.max((this.#firstK ?? 0) - 1, this.#recorded()?.lastK ?? 0);
    if (this.#newest.dts > 0)
      lastK = Math.max(lastK, grid.positionOf(this.#newest.dts, this.#newest.timescale).k);
    for (const { id } of presentation.renditions) {
      const next = rows.author.next(id);
      if (!rows.author.isPast(id)) lastK = Math.max(lastK, next.part === 0 ? next.k - 1 : next.k);
    }
    return lastK;
  }

  #fromTicks(): number | undefined {
    if (this.#firstK === undefined) return undefined;
    return subscriptionStart(this.#positions(), this.#recorded()?.firstK ?? this.#firstK, this.#context.grid);
  }

  /** The first part of each rendition that an attempt is to make. */
  #positions(): ReadonlyMap<string, sink.Position> {
    const positions = new Map<string, sink.Position>();
    for (const rendition of this.#context.presentation.renditions) {
      const { id } = rendition;
      if (this.#shedding.shed.includes(id) || this.#context.rows.author.isPast(id)) continue;
      const next = this.#wholeSegment(rendition);
      const floor = this.#floors.get(id) ?? next;
      positions.set(id, comparePositions(next, floor) < 0 ? floor : next);
    }
    return positions;
  }

  /** Where a rendition goes on; an encoded rung does not begin within a segment that began as a gap. */
  #wholeSegment({ id, kind, isPassthrough }: session.Rendition): sink.Position {
    const { author } = this.#context.rows;
    const next = author.next(id);
    const isCut =
      kind === session.TrackKind.VIDEO && !isPassthrough && next.part > 0 && author.isGapSegment(id);
    return isCut ? { k: next.k + 1, part: 0 } : next;
  }

  #observeLateness(lateMs: number): SheddingDecision | undefined {
    const { channel, sessionId, metrics, clock } = this.#context;
    metrics.lateness.set({ channel, session: sessionId }, lateMs / 1000);
    return this.#shedding.observe(clock(), lateMs);
  }

  #noteInput(dts: number, timescale: number): void {
    this.#tail = undefined;
    if (dts / timescale > this.#newest.dts / this.#newest.timescale) this.#newest = { dts, timescale };
  }

  #noteProgress(): void {
    this.#budget.noteProgress();
    if (this.#hasRun) return;
    this.#hasRun = true;
    const { channel, sessionId, events } = this.#context;
    events.emit({ type: 'LadderRunning', data: { channel, sessionId, period: this.#ordinal } });
  }

  #noteSegmentLost(renditionId: string, k: number, cause: GapCause): void {
    const { channel, sessionId, events, metrics, logger, segmentSeconds, presentation } = this.#context;
    const rendition = presentation.renditions.find(({ id }) => id === renditionId);
    if (rendition?.isPassthrough === true && rendition.kind === session.TrackKind.VIDEO) {
      metrics.missedBoundaries.inc();
      events.emit({
        type: 'SourceBoundaryMissed',
        data: { channel, sessionId, k, keyframeIntervalSeconds: segmentSeconds },
      });
    }
    logger.warn(
      { sessionId, renditionId, k, cause },
      cause === 'no-idr'
        ? `The encoder sent no IDR at a segment start, so the segment is a gap; set its keyframe interval to ${segmentSeconds} s`
        : 'The encoder left a hole in its media, so the segment is a gap; see whether it drops frames, and lower its bitrate',
    );
  }
}
