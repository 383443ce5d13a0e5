import { session } from '@millrace/contracts';
import type { sink } from '@millrace/contracts';
import { ServiceError } from '@millrace/runtime';
import type { Clock, EventEmitter, Lease, LeaseStore, Logger, SessionPeers } from '@millrace/runtime';
import type { WorkerConfig } from '../config.ts';
import type { WorkerMetrics } from '../metrics.ts';
import { pause, withDeadline } from './deadline.ts';
import { CurrentRelay } from './current-relay.ts';
import { createShedding } from './ladder-shedding.ts';
import type { LadderShedding } from './ladder-shedding.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import { Outage } from './outage.ts';
import { PartGrid } from './part-grid.ts';
import { PeriodBudgets } from './restart-budget.ts';
import type { SessionContext } from './session-context.ts';
import { StandbyRunner } from './standby-runner.ts';
import type { OngoingStream, TakenOver } from './standby-runner.ts';
import { StreamRunner } from './stream-runner.ts';
import type { StreamRunnerOptions } from './stream-runner.ts';
import type { StartTranscoder } from './transcoder.ts';
import { TwinnedSink } from './twinned-sink.ts';

/** What a worker is to a session. */
export type SessionRole = 'leading' | 'standing-by';

/** What a session's runner works with. */
export interface SessionRunnerDependencies {
  readonly peers: SessionPeers;
  readonly leases: LeaseStore;
  /** Calls to the lease store, of all sessions. */
  readonly leaseOutage: Outage;
  /** Aborted when the worker drains: it stands by for nobody any more. */
  readonly draining: AbortSignal;
  /** Called when the worker has become the session's. */
  readonly onRole: (role: SessionRole) => void;
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
  /** A successor goes on at a segment boundary; everything before is published. */
  | 'handed-over'
  /** The packager takes a newer token. */
  | 'fenced'
  | 'stopped'
  /** Something is wrong in the worker itself; it was logged. */
  | 'failed';

/** A stream that was opened in vain has cost a start of ffmpeg, so after some of them it waits longer: at most this long. */
const MAX_FRUITLESS_STREAM_BACKOFF_MS = 4000;
const MAX_SINK_BACKOFF_MS = 250;
/** The newest token rules every position: what was published stays, what is missing is made by its holder. */
const FROM_START = { k: 0, part: 0 } as const;
/** A successor begins so many segments behind the newest that ingest has begun: at least a whole one is ahead. */
const SUCCESSOR_LEAD_SEGMENTS = 2;
/** Calls to the lease store in a handover. */
const HANDOVER_CALL_MS = 1000;

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
  readonly #sink: TwinnedSink;

  /** `record` answers the session's record as it is now; it has a presentation. */
  constructor(
    dependencies: SessionRunnerDependencies,
    record: () => session.SessionRecord,
    presentation: session.Presentation,
  ) {
    const { peers, startTranscoder, config, metrics, events, logger, clock } = dependencies;
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
      relay: new CurrentRelay(peers, record),
      ...{ startTranscoder, config, metrics, events, logger, clock, isOnAir: () => true },
      ingestOutage: new Outage({ peer: 'ingest', sessionId, metrics, logger, clock }),
    };
    this.#sink = new TwinnedSink({
      placed: () => peers.packagersOf(record()),
      logger,
      onLost: () => metrics.lostPackagers.inc(),
    });
  }

  /**
   * Runs to the end: with the session's lease when it is free, as its worker's successor when one is called for. Never rejects: what
   * nobody expected is logged, and the session is free for any worker.
   */
  async run(signal: AbortSignal): Promise<SessionOutcome> {
    return this.#guarded(async () => {
      const keeper = await this.#acquire();
      if (keeper !== undefined) return this.#holdOn(keeper, undefined, signal);
      const announced = await this.#announce();
      const handover = announced === undefined ? undefined : await this.#takeOver(announced, signal);
      if (handover !== undefined) return this.#holdOn(handover.keeper, handover.stream, signal);
      if (this.#context.presentation.redundancy !== session.Redundancy.HOT) return 'lease-held';
      const taken = await this.#standBy(signal);
      return taken === undefined ? 'lease-held' : this.#holdOn(taken.keeper, taken.stream, signal);
    });
  }

  #standBy(signal: AbortSignal): Promise<TakenOver | undefined> {
    const { leases, leaseOutage, peers, draining } = this.#dependencies;
    const standby = new StandbyRunner({
      ...{ publishing: this.#publishing(), leases, leaseOutage, sink: this.#sink },
      indexAt: (place) => peers.packagersOf(this.#context.record())[place]?.index,
      firstK: () => this.#successorK(),
      onPlace: () => this.#dependencies.onRole('standing-by'),
    });
    return standby.run({ standing: AbortSignal.any([signal, draining]), working: signal });
  }

  #successorK(): number {
    return this.#context.record().currentK + SUCCESSOR_LEAD_SEGMENTS;
  }

  async #guarded(work: () => Promise<SessionOutcome>): Promise<SessionOutcome> {
    const { metrics, logger } = this.#dependencies;
    try {
      return await work();
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

  /** Works as long as there is a lease to be had: one that is lost and free is taken again at once. */
  async #holdOn(
    first: LeaseKeeper,
    firstStream: OngoingStream | undefined,
    signal: AbortSignal,
  ): Promise<SessionOutcome> {
    let keeper = first;
    let stream = firstStream;
    this.#dependencies.onRole('leading');
    for (;;) {
      const outcome = await this.#hold(keeper, stream, signal);
      if (outcome !== 'lease-lost') return outcome;
      this.#dependencies.metrics.leaseLosses.inc();
      const next = await this.#acquire();
      if (next === undefined) return 'lease-lost';
      keeper = next;
      stream = undefined;
    }
  }

  async #announce(): Promise<Lease | undefined> {
    const { leases, leaseOutage, config } = this.#dependencies;
    const from = { k: this.#successorK(), part: 0 };
    const request = { channel: this.#channel, sessionId: this.#sessionId, workerId: config.instance, from };
    try {
      const announcing = leases.announce(request);
      return await withDeadline(announcing, { ms: HANDOVER_CALL_MS, what: 'announcing a successor' });
    } catch (error) {
      leaseOutage.failed(error);
      return undefined;
    }
  }

  /** Tells the packagers, then commits; `undefined`, with an event, when the stream stays with its worker. */
  async #takeOver(
    lease: Lease,
    signal: AbortSignal,
  ): Promise<{ readonly keeper: LeaseKeeper; readonly stream: StreamRunner } | undefined> {
    const { leases, leaseOutage, logger, events } = this.#dependencies;
    const handedOver = Promise.withResolvers<sink.Position>();
    let stream: StreamRunner;
    try {
      stream = await StreamRunner.open(this.#streamOptions(lease, handedOver.promise), signal);
    } catch (error) {
      if (!signal.aborted) this.#failHandover('not-announced', error);
      return undefined;
    }
    if (!(await this.#commit(lease))) {
      stream.close();
      this.#failHandover('not-committed', undefined);
      return undefined;
    }
    const keeper = LeaseKeeper.keep(lease, { leases, outage: leaseOutage, logger });
    void keeper.handedOver.then(handedOver.resolve);
    const { channel, sessionId, token, workerId: worker, from } = lease;
    events.emit({ type: 'LeaseHandedOver', data: { channel, sessionId, worker, token, fromK: from.k } });
    logger.info({ sessionId, channel, token, fromK: from.k }, 'Succeeds another worker');
    return { keeper, stream };
  }

  /** Without an answer the packagers' word counts: they take nothing of the worker before from here on. */
  async #commit(lease: Lease): Promise<boolean> {
    const { leases, leaseOutage } = this.#dependencies;
    try {
      const committing = leases.commit(lease);
      return await withDeadline(committing, { ms: HANDOVER_CALL_MS, what: 'committing a handover' });
    } catch (error) {
      leaseOutage.failed(error);
      return true;
    }
  }

  #failHandover(reason: string, error: unknown): void {
    const { events, logger, config } = this.#dependencies;
    const [channel, sessionId] = [this.#channel, this.#sessionId];
    logger.warn(
      { err: error, sessionId, reason },
      'A handover came to nothing; the session stays with its worker',
    );
    events.emit({ type: 'HandoverFailed', data: { channel, sessionId, worker: config.instance, reason } });
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

  async #hold(
    keeper: LeaseKeeper,
    stream: OngoingStream | undefined,
    signal: AbortSignal,
  ): Promise<SessionOutcome> {
    const { config, metrics, events, logger } = this.#dependencies;
    const { channel, sessionId, token } = keeper.lease;
    metrics.sessions.inc();
    events.emit({ type: 'LeaseTaken', data: { channel, sessionId, worker: config.instance, token } });
    logger.info({ sessionId, channel, token }, 'Took the lease of the session');
    let outcome: SessionOutcome = 'failed';
    try {
      outcome = await this.#work(keeper, stream, AbortSignal.any([signal, keeper.lost]));
      return outcome === 'stopped' && keeper.lost.aborted && !signal.aborted ? 'lease-lost' : outcome;
    } finally {
      metrics.sessions.dec();
      metrics.lateness.remove({ channel, session: sessionId });
      const reason = outcome === 'session-ended' ? 'done' : 'stopped';
      if (await keeper.release())
        events.emit({ type: 'LeaseReleased', data: { channel, sessionId, token, reason } });
    }
  }

  /** Publishes over stream after stream, as long as the lease is held. */
  async #work(
    { lease, handedOver }: LeaseKeeper,
    firstStream: OngoingStream | undefined,
    signal: AbortSignal,
  ): Promise<SessionOutcome> {
    const outage = this.#packagerOutage;
    let hasFailedOpen = false;
    let opened = firstStream;
    while (!signal.aborted) {
      let stream: OngoingStream | undefined;
      try {
        stream = opened ?? (await StreamRunner.open(this.#streamOptions(lease, handedOver), signal));
        opened = undefined;
        // What a stream that opens shows: that streams open again, not that parts are taken.
        if (hasFailedOpen) outage.recovered();
        hasFailedOpen = false;
        const end = await stream.run(signal);
        if (end !== 'stopped') return end;
      } catch (error) {
        if (signal.aborted) break;
        const outcome = this.#judge(error, lease, stream?.refusedParts ?? 0);
        if (outcome !== undefined) return outcome;
        const delayMs = outage.failed(error);
        hasFailedOpen = stream === undefined;
        await pause(hasFailedOpen ? delayMs : fruitlessBackoffMs(outage.failures, delayMs), signal);
      }
    }
    return 'stopped';
  }

  /** A refusal that another stream would not change; `undefined` when it is worth trying again. */
  #judge(error: unknown, lease: Lease, refusedParts: number): SessionOutcome | undefined {
    const { logger, metrics } = this.#dependencies;
    const sessionId = this.#sessionId;
    const id = error instanceof ServiceError ? error.id : undefined;
    if (id === 'PACKAGER_TOKEN_STALE') {
      metrics.leaseLosses.inc();
      logger.warn({ err: error, sessionId }, 'The packager takes a newer worker; this one stops');
      return 'fenced';
    }
    // The worker before has not made all that was left to it: with a lease of its own the rest is this one's to make.
    if (id === 'PACKAGER_OUT_OF_ORDER' && lease.from.k > 0) return 'lease-lost';
    if (id !== 'PACKAGER_SESSION_ENDED') return undefined;
    metrics.droppedParts.inc(refusedParts);
    logger.warn(
      { err: error, sessionId, refusedParts },
      'The packager has ended the session; parts that were not there by then are dropped',
    );
    return 'session-ended';
  }

  #streamOptions(lease: Lease, handedOver: Promise<sink.Position>): StreamRunnerOptions {
    return { ...this.#publishing(), sink: this.#sink, lease, handedOver };
  }

  #publishing(): Omit<StreamRunnerOptions, 'sink' | 'lease' | 'handedOver'> {
    return {
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
