import type { session, sink } from '@millrace/contracts';
import { ServiceError } from '@millrace/runtime';
import type {
  Clock,
  EventEmitter,
  Lease,
  LeaseStore,
  Logger,
  MediaRelay,
  RenditionSink,
} from '@millrace/runtime';
import type { WorkerConfig } from '../config.ts';
import type { WorkerMetrics } from '../metrics.ts';
import { pause } from './deadline.ts';
import { createShedding } from './ladder-shedding.ts';
import type { LadderShedding } from './ladder-shedding.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import { Outage } from './outage.ts';
import { PartGrid } from './part-grid.ts';
import { PeriodBudgets } from './restart-budget.ts';
import type { SessionContext } from './session-context.ts';
import { FROM_START, StreamRunner } from './stream-runner.ts';
import type { StreamRunnerOptions } from './stream-runner.ts';
import type { StartTranscoder } from './transcoder.ts';

/** What a session's runner works with. */
export interface SessionRunnerDependencies {
  readonly relay: MediaRelay;
  readonly sink: RenditionSink;
  readonly leases: LeaseStore;
  /** Calls to the lease store, of all sessions. */
  readonly leaseOutage: Outage;
  readonly startTranscoder: StartTranscoder;
  readonly config: WorkerConfig;
  readonly metrics: WorkerMetrics;
  readonly events: EventEmitter;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** How the work for a session ended. */
export type SessionOutcome =
  /** Nothing more comes: every row is authored, or the packager takes no more. */
  | 'session-ended'
  /** Another worker has the lease, or the store that has it does not answer. */
  | 'lease-held'
  /** Another worker has taken the lease meanwhile. */
  | 'lease-lost'
  /** The packager takes a newer token. */
  | 'fenced'
  | 'stopped'
  /** Something is wrong in the worker itself; it was logged. */
  | 'failed';

/** A stream that was opened in vain has cost a start of ffmpeg, so after some of them it waits longer: at most this long. */
const MAX_FRUITLESS_STREAM_BACKOFF_MS = 4000;
const MAX_SINK_BACKOFF_MS = 250;

/**
 * Works for one session: takes its lease, opens the publish stream, makes period after period, until the session has ended,
 * another worker has it or the signal is aborted. A lease that is lost and free is taken again at once.
 */
export class SessionRunner {
  readonly #dependencies: SessionRunnerDependencies;
  readonly #channel: string;
  readonly #sessionId: string;
  readonly #context: Omit<SessionContext, 'rows' | 'leaseToken'>;
  readonly #shedding: LadderShedding;
  /** What ffmpeg may still do does not change with the stream to the packager, nor with the lease. */
  readonly #budgets = new PeriodBudgets();
  readonly #floors = new Map<string, sink.Position>();
  readonly #packagerOutage: Outage;

  /** `record` answers the session's record as it is now; it has a presentation. */
  constructor(
    dependencies: SessionRunnerDependencies,
    record: () => session.SessionRecord,
    presentation: session.Presentation,
  ) {
    const { relay, startTranscoder, config, metrics, events, logger, clock } = dependencies;
    const { channel, sessionId } = record();
    this.#dependencies = dependencies;
    this.#channel = channel;
    this.#sessionId = sessionId;
    const segment = presentation.segmentDurationSeconds ?? { numerator: 2, denominator: 1 };
    const segmentSeconds = segment.numerator / segment.denominator;
    const grid = new PartGrid(segment, presentation.partDurationSeconds ?? segment);
    this.#shedding = createShedding(presentation.renditions, config.lateness, segmentSeconds);
    this.#packagerOutage = new Outage({ peer: 'packager', sessionId, metrics, logger, clock });
    this.#context = {
      ...{ channel, sessionId, presentation, segmentSeconds, grid, record },
      ...{ relay, startTranscoder, config, metrics, events, logger, clock },
      ingestOutage: new Outage({ peer: 'ingest', sessionId, metrics, logger, clock }),
    };
  }

  /** Runs to the end. Never rejects: what nobody expected is logged, and the session is free for any worker. */
  async run(signal: AbortSignal): Promise<SessionOutcome> {
    const { metrics, logger } = this.#dependencies;
    try {
      let hasHeld = false;
      for (;;) {
        const keeper = await this.#acquire();
        if (keeper === undefined) return hasHeld ? 'lease-lost' : 'lease-held';
        hasHeld = true;
        const outcome = await this.#hold(keeper, signal);
        if (outcome !== 'lease-lost') return outcome;
        metrics.leaseLosses.inc();
      }
    } catch (error) {
      logger.error(
        { err: error, sessionId: this.#sessionId },
        'The work for a session failed; it is free for any worker',
      );
      return 'failed';
    } finally {
      this.#packagerOutage.end();
      this.#context.ingestOutage.end();
      metrics.shedRungs.dec(this.#shedding.shed.length);
    }
  }

  async #acquire(): Promise<LeaseKeeper | undefined> {
    const { leases, leaseOutage, config, logger } = this.#dependencies;
    const request = {
      channel: this.#channel,
      sessionId: this.#sessionId,
      workerId: config.instance,
      from: FROM_START,
    };
    try {
      const keeper = await LeaseKeeper.acquire(request, { leases, outage: leaseOutage, logger });
      leaseOutage.recovered();
      return keeper;
    } catch (error) {
      // The poll of the claimer is the next try.
      leaseOutage.failed(error);
      return undefined;
    }
  }

  async #hold(keeper: LeaseKeeper, signal: AbortSignal): Promise<SessionOutcome> {
    const { config, metrics, events, logger } = this.#dependencies;
    const { channel, sessionId, token } = keeper.lease;
    metrics.sessions.inc();
    events.emit({ type: 'LeaseTaken', data: { channel, sessionId, worker: config.instance, token } });
    logger.info({ sessionId, channel, token }, 'Took the lease of the session');
    try {
      const outcome = await this.#work(keeper.lease, AbortSignal.any([signal, keeper.lost]));
      return outcome === 'stopped' && keeper.lost.aborted && !signal.aborted ? 'lease-lost' : outcome;
    } finally {
      metrics.sessions.dec();
      metrics.lateness.remove({ channel, session: sessionId });
      await keeper.release();
    }
  }

  /** Publishes over stream after stream, as long as the lease is held. */
  async #work(lease: Lease, signal: AbortSignal): Promise<SessionOutcome> {
    const outage = this.#packagerOutage;
    let hasFailedOpen = false;
    while (!signal.aborted) {
      let stream: StreamRunner | undefined;
      try {
        stream = await StreamRunner.open(this.#streamOptions(lease), signal);
        // What a stream that opens shows: that streams open again, not that parts are taken.
        if (hasFailedOpen) outage.recovered();
        hasFailedOpen = false;
        if (await stream.run(signal)) return 'session-ended';
      } catch (error) {
        if (signal.aborted) break;
        const outcome = this.#judge(error, stream?.refusedParts ?? 0);
        if (outcome !== undefined) return outcome;
        const delayMs = outage.failed(error);
        hasFailedOpen = stream === undefined;
        await pause(hasFailedOpen ? delayMs : fruitlessBackoffMs(outage.failures, delayMs), signal);
      }
    }
    return 'stopped';
  }

  /** A refusal that another stream would not change; `undefined` when it is worth trying again. */
  #judge(error: unknown, refusedParts: number): SessionOutcome | undefined {
    const { logger, metrics } = this.#dependencies;
    const sessionId = this.#sessionId;
    const id = error instanceof ServiceError ? error.id : undefined;
    if (id === 'PACKAGER_TOKEN_STALE') {
      metrics.leaseLosses.inc();
      logger.warn({ err: error, sessionId }, 'The packager takes a newer worker; this one stops');
      return 'fenced';
    }
    if (id !== 'PACKAGER_SESSION_ENDED') return undefined;
    metrics.droppedParts.inc(refusedParts);
    logger.warn(
      { err: error, sessionId, refusedParts },
      'The packager has ended the session; parts that were not there by then are dropped',
    );
    return 'session-ended';
  }

  #streamOptions(lease: Lease): StreamRunnerOptions {
    return {
      sink: this.#dependencies.sink,
      lease,
      context: this.#context,
      shedding: this.#shedding,
      budgets: this.#budgets,
      floors: this.#floors,
      onAcknowledged: () => this.#packagerOutage.recovered(),
    };
  }
}

function fruitlessBackoffMs(failures: number, delayMs: number): number {
  const doublings = Math.max(0, failures - 4);
  return Math.max(delayMs, Math.min(MAX_FRUITLESS_STREAM_BACKOFF_MS, MAX_SINK_BACKOFF_MS * 2 ** doublings));
}
