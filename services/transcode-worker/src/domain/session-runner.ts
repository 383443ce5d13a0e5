import { setTimeout as delay } from 'node:timers/promises';
import { session } from '@millrace/contracts';
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
import { LadderShedding } from './ladder-shedding.ts';
import { PartGrid } from './part-grid.ts';
import { PartPublisher } from './part-publisher.ts';
import { PeriodRunner } from './period-runner.ts';
import { RowAuthor } from './row-author.ts';
import { RowPublisher } from './row-publisher.ts';
import type { StartTranscoder } from './transcoder.ts';

/** What a session's runner works with. */
export interface SessionRunnerDependencies {
  readonly relay: MediaRelay;
  readonly sink: RenditionSink;
  readonly leases: LeaseStore;
  readonly startTranscoder: StartTranscoder;
  readonly config: WorkerConfig;
  readonly metrics: WorkerMetrics;
  readonly events: EventEmitter;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** How the work for a session ended. */
export type SessionOutcome =
  /** Every row is authored; nothing more comes. */
  | 'session-ended'
  /** Another worker has the lease. */
  | 'lease-held'
  | 'lease-lost'
  | 'stopped';

const RENEW_EVERY_MS = 500;
const SINK_BACKOFF_MS = 250;
/** The newest token rules every position: what was published stays, what is missing is made by its holder. */
const FROM_START = { k: 0, part: 0 } as const;

/**
 * Works for one session: takes its lease, opens the publish stream, makes period after period, until the session has ended,
 * the lease is lost or the signal is aborted.
 */
export class SessionRunner {
  readonly #dependencies: SessionRunnerDependencies;
  readonly #record: () => session.SessionRecord;
  readonly #presentation: session.Presentation;
  readonly #grid: PartGrid;
  readonly #segmentSeconds: number;

  /** `record` answers the session's record as it is now; it has a presentation. */
  constructor(
    dependencies: SessionRunnerDependencies,
    record: () => session.SessionRecord,
    presentation: session.Presentation,
  ) {
    this.#dependencies = dependencies;
    this.#record = record;
    this.#presentation = presentation;
    const segment = presentation.segmentDurationSeconds ?? { numerator: 2, denominator: 1 };
    this.#grid = new PartGrid(segment, presentation.partDurationSeconds ?? segment);
    this.#segmentSeconds = segment.numerator / segment.denominator;
  }

  /** Runs to the end; never rejects. */
  async run(signal: AbortSignal): Promise<SessionOutcome> {
    const { leases, config, metrics, events, logger } = this.#dependencies;
    const { channel, sessionId } = this.#record();
    const lease = await leases.acquire({ channel, sessionId, workerId: config.instance, from: FROM_START });
    if (lease === undefined) return 'lease-held';
    metrics.sessions.inc();
    events.emit({
      type: 'LeaseTaken',
      data: { channel, sessionId, worker: config.instance, token: lease.token },
    });
    logger.info({ sessionId, channel, token: lease.token }, 'Took the lease of the session');
    const lost = new AbortController();
    const renewing = this.#keepRenewed(lease, lost);
    try {
      const outcome = await this.#work(lease, AbortSignal.any([signal, lost.signal]));
      if (outcome === 'session-ended') return outcome;
      if (lost.signal.aborted) metrics.leaseLosses.inc();
      return lost.signal.aborted ? 'lease-lost' : 'stopped';
    } finally {
      clearInterval(renewing);
      metrics.sessions.dec();
      metrics.lateness.remove({ channel, session: sessionId });
      await leases.release(lease).catch((error: unknown) => {
        logger.warn(
          { err: error, sessionId },
          'The lease could not be released; it ends by itself within 3 s',
        );
      });
    }
  }

  #keepRenewed(lease: Lease, lost: AbortController): NodeJS.Timeout {
    return setInterval(() => void this.#renew(lease, lost), RENEW_EVERY_MS);
  }

  async #renew(lease: Lease, lost: AbortController): Promise<void> {
    const { leases, logger } = this.#dependencies;
    const { sessionId } = lease;
    try {
      if (await leases.renew(lease)) return;
      logger.warn({ sessionId }, 'Another worker has the lease; this one stops working for the session');
      lost.abort();
    } catch (error) {
      // A store that is away fences nobody: live sessions go on, the packager judges by the token.
      logger.warn({ err: error, sessionId }, 'The lease could not be renewed; going on');
    }
  }

  async #work(lease: Lease, signal: AbortSignal): Promise<'session-ended' | 'stopped'> {
    const { logger } = this.#dependencies;
    const shedding = this.#createShedding();
    try {
      while (!signal.aborted) {
        try {
          if (await this.#publishStream(lease, shedding, signal)) return 'session-ended';
        } catch (error) {
          if (isFenced(error)) {
            logger.warn(
              { err: error, sessionId: lease.sessionId },
              'The packager takes a newer worker; stopping',
            );
            return 'stopped';
          }
          logger.warn(
            { err: error, sessionId: lease.sessionId },
            'The stream to the packager failed; opening it again',
          );
          await delay(SINK_BACKOFF_MS, undefined, { signal }).catch(() => {});
        }
      }
      return 'stopped';
    } finally {
      this.#dependencies.metrics.shedRungs.dec(shedding.shed.length);
    }
  }

  /** Publishes over one stream until the session ends (true), the signal is aborted (false) or the stream fails (throws). */
  async #publishStream(lease: Lease, shedding: LadderShedding, signal: AbortSignal): Promise<boolean> {
    const { sink, relay, startTranscoder, config, metrics, events, logger, clock } = this.#dependencies;
    const { channel, sessionId, token } = lease;
    const stream = await sink.open({ sessionId, leaseToken: token, from: FROM_START }, signal);
    const failed = new AbortController();
    let failure: unknown;
    const publisher = new PartPublisher(stream, (error) => {
      failure = error;
      failed.abort();
    });
    const author = new RowAuthor({
      grid: this.#grid,
      renditions: this.#presentation.renditions,
      reply: stream.reply,
    });
    const rows = new RowPublisher({
      author,
      publisher,
      renditions: this.#presentation.renditions,
      session: { channel, sessionId },
      events,
      metrics,
      clock,
    });
    const context = {
      channel,
      sessionId,
      leaseToken: token,
      presentation: this.#presentation,
      segmentSeconds: this.#segmentSeconds,
      grid: this.#grid,
      rows,
      relay,
      startTranscoder,
      config,
      metrics,
      events,
      logger,
      clock,
      record: this.#record,
    };
    try {
      const running = AbortSignal.any([signal, failed.signal]);
      let ordinal = this.#firstPeriod(author);
      while (!running.aborted) {
        const outcome = await new PeriodRunner(context, ordinal, shedding).run(running);
        if (outcome === 'aborted') break;
        if (outcome === 'session-ended') {
          await publisher.settled();
          if (!failed.signal.aborted) return true;
          break;
        }
        ordinal += 1;
      }
      if (failed.signal.aborted) throw failure;
      return false;
    } finally {
      stream.close();
    }
  }

  /** Where rows may be missing; without any row, the newest period. */
  #firstPeriod(author: RowAuthor): number {
    const ids = this.#presentation.renditions.map(({ id }) => id);
    return author.history.continuationPeriod(ids) ?? this.#record().periods.at(-1)?.ordinal ?? 0;
  }

  #createShedding(): LadderShedding {
    const { lateness } = this.#dependencies.config;
    const segmentMs = this.#segmentSeconds * 1000;
    const rungs = this.#presentation.renditions
      .filter(({ kind, isPassthrough }) => kind === session.TrackKind.VIDEO && !isPassthrough)
      .map(({ id, width, height }) => ({ renditionId: id, area: width * height }));
    return new LadderShedding(rungs, {
      shedAboveMs: lateness.shedAboveSegments * segmentMs,
      restoreBelowMs: lateness.restoreBelowSegments * segmentMs,
      restoreAfterMs: lateness.restoreAfterSeconds * 1000,
      settleMs: 2 * segmentMs,
    });
  }
}

function isFenced(error: unknown): boolean {
  return error instanceof ServiceError && error.code === 'FAILED_PRECONDITION';
}
