import type { sink } from '@millrace/contracts';
import { session } from '@millrace/contracts';
import { ServiceError } from '@millrace/runtime';
import type { LeaseStore, MediaRelay, RenditionSink, SegmentIndex, Standby } from '@millrace/runtime';
import { pause, withDeadline } from './deadline.ts';
import { LeaderRows } from './leader-rows.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import type { Outage } from './outage.ts';
import { StandbyEvents } from './standby-events.ts';
import { StandbyStream } from './standby-stream.ts';
import { StreamRunner } from './stream-runner.ts';
import type { StreamOutcome, StreamRunnerOptions } from './stream-runner.ts';

/** How often the leader's output is judged. */
const JUDGE_INTERVAL_MS = 50;
const RENEW_INTERVAL_MS = 500;
const CALL_DEADLINE_MS = 1000;
const SINK_DEADLINE_MS = 4000;
/** A leader is not late before this, however short parts are: two encoders on busy machines differ as much. */
const MIN_LATE_MS = 500;
/** Several segments of the fastest ladder; who has fallen behind that far cannot go on from what it holds. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;
const FROM_START = { k: 0, part: 0 } as const;

/** What a standby works with. */
export interface StandbyRunnerOptions {
  /** What every publish stream of the session works with. */
  readonly publishing: Pick<
    StreamRunnerOptions,
    'context' | 'shedding' | 'budgets' | 'floors' | 'onAcknowledged'
  >;
  readonly leases: LeaseStore;
  readonly leaseOutage: Outage;
  /** The packagers of the session, for when it takes over. */
  readonly sink: RenditionSink;
  /** The segment index of the first or the second packager that the session is placed on now. */
  readonly indexAt: (place: number) => SegmentIndex | undefined;
  /** First segment that a worker which begins now can make whole. */
  readonly firstK: () => number;
  /** Called when it has its place. */
  readonly onPlace: () => void;
}

/** What ends a standby. */
export interface StandbySignals {
  readonly standing: AbortSignal;
  readonly working: AbortSignal;
}

/** Publishing that goes on: what the session's runner would otherwise open itself. */
export interface OngoingStream {
  readonly refusedParts: number;
  run(signal: AbortSignal): Promise<StreamOutcome>;
}

/** A lease that a standby took. */
export interface TakenOver {
  readonly keeper: LeaseKeeper;
  /** Absent where what the standby has does not continue what is published: then it is made from ingest's ring. */
  readonly stream: OngoingStream | undefined;
}

/**
 * Stands by for a session that another worker leads: encodes the same media, holds what the leader has not published, and takes
 * over when the leader is late by more than a part, or gone, or calls for a successor.
 */
export class StandbyRunner {
  readonly #options: StandbyRunnerOptions;
  readonly #place: Standby;
  readonly #events: StandbyEvents;
  readonly #handedOver = Promise.withResolvers<sink.Position>();
  /** The lease's once it is taken. */
  #token = 0;
  #isOnAir = false;
  #hasPlace = false;
  /** Watches of the leader's rows that are answered. */
  #watches = 0;

  constructor(options: StandbyRunnerOptions) {
    this.#options = options;
    const { channel, sessionId, config, events } = options.publishing.context;
    this.#place = { channel, sessionId, workerId: config.instance };
    this.#events = new StandbyEvents(events);
  }

  /**
   * Stands by until it takes over; `undefined` when there is no place, or nothing to stand by for any more. `standing` ends that;
   * `working` ends what goes on after it, too.
   */
  async run({ standing, working }: StandbySignals): Promise<TakenOver | undefined> {
    if ((await this.#renew()) === 'lost') return undefined;
    this.#hasPlace = true;
    this.#options.onPlace();
    const { metrics, logger, channel, sessionId } = this.#options.publishing.context;
    const stopping = new AbortController();
    const running = AbortSignal.any([working, stopping.signal]);
    metrics.standbys.inc();
    logger.info({ sessionId }, 'Stands by for the session');
    let taken: TakenOver | undefined;
    try {
      taken = await this.#standBy(standing, running, stopping);
      return taken;
    } catch (error) {
      if (!standing.aborted)
        logger.warn({ err: error, sessionId }, 'Standing by for a session failed; it is tried again');
      return undefined;
    } finally {
      metrics.standbys.dec();
      if (taken?.stream === undefined) stopping.abort();
      if (taken === undefined) {
        metrics.lateness.remove({ channel, session: sessionId });
        await this.#standDown();
      }
    }
  }

  async #standBy(
    standing: AbortSignal,
    running: AbortSignal,
    stopping: AbortController,
  ): Promise<TakenOver | undefined> {
    const { context } = this.#options.publishing;
    const following = new AbortController();
    const rows = new LeaderRows(
      this.#options.indexAt,
      context.sessionId,
      (delta) => (this.#watches += delta),
    );
    const watching = rows.start(AbortSignal.any([running, following.signal]));
    const stream = new StandbyStream({
      reply: replyOf(
        await withDeadline(rows.first, { ms: SINK_DEADLINE_MS, what: 'reading rows', signal: running }),
      ),
      maxHeldBytes: MAX_HELD_BYTES,
      nowMs: () => performance.now(),
      onDiverged: ({ renditionId, k }) => {
        context.metrics.standbyDivergedRows.inc();
        context.logger.warn(
          { sessionId: context.sessionId, renditionId, k },
          'The standby made another row of the same media than the leader',
        );
      },
    });
    rows.onRows = (more) => stream.noteRows(more);
    const runner = await StreamRunner.open(this.#streamOptions(stream), running);
    const work = runner.run(running);
    // Waited for below, or by who takes it over.
    work.catch(() => undefined);
    const isWanted = await this.#awaitNeed(stream, work, AbortSignal.any([standing, running]));
    const taken = isWanted ? await this.#takeOver(stream, running) : undefined;
    if (taken?.isContinued === true) {
      following.abort();
      await watching;
      return { keeper: taken.keeper, stream: ongoing(runner, work, stopping) };
    }
    stopping.abort();
    await Promise.all([work.catch(() => undefined), watching]);
    return taken === undefined ? undefined : { keeper: taken.keeper, stream: undefined };
  }

  /** True when the leader is late or gone; false when there is nothing to stand by for. */
  async #awaitNeed(stream: StandbyStream, work: Promise<unknown>, signal: AbortSignal): Promise<boolean> {
    const { context } = this.#options.publishing;
    const lateMs = Math.max(MIN_LATE_MS, context.presentation.partTargetUs / 1000);
    let isOver = false;
    const end = (): void => void (isOver = true);
    work.then(end, end);
    let renewAtMs = performance.now() + RENEW_INTERVAL_MS;
    while (await pause(JUDGE_INTERVAL_MS, signal)) {
      if (isOver || context.record().state === session.SessionState.ENDED) return false;
      if (this.#watches > 0 && stream.owedMs > lateMs) return this.#say('late');
      if (performance.now() < renewAtMs) continue;
      renewAtMs = performance.now() + RENEW_INTERVAL_MS;
      const state = await this.#renew();
      if (state === 'wanted') return this.#say('gone');
      if (state === 'lost') return false;
    }
    return false;
  }

  #say(reason: 'late' | 'gone'): true {
    const { metrics, logger, sessionId } = this.#options.publishing.context;
    metrics.takeovers.inc({ reason });
    logger.warn({ sessionId, reason }, 'The standby takes over from the leader of the session');
    return true;
  }

  async #takeOver(
    stream: StandbyStream,
    signal: AbortSignal,
  ): Promise<{ readonly keeper: LeaseKeeper; readonly isContinued: boolean } | undefined> {
    const { leases, leaseOutage: outage, sink, publishing } = this.#options;
    const { logger, sessionId } = publishing.context;
    const request = { ...this.#place, from: FROM_START };
    const keeper = await LeaseKeeper.takeOver(request, { leases, outage, logger });
    if (keeper === undefined) return undefined;
    void keeper.handedOver.then((from) => this.#handedOver.resolve(from));
    const { token: leaseToken } = keeper.lease;
    const opening = sink.open({ sessionId, leaseToken, from: FROM_START }, signal);
    try {
      const live = await withDeadline(opening, { ms: SINK_DEADLINE_MS, what: 'opening a stream', signal });
      const fromK = stream.goLive(live);
      if (fromK === undefined) {
        live.close();
        logger.warn({ sessionId }, 'What the standby holds does not go on where the leader stopped');
        return { keeper, isContinued: false };
      }
      this.#token = leaseToken;
      this.#isOnAir = true;
      this.#events.goOnAir(fromK);
      logger.info({ sessionId, fromK }, 'The standby goes on with what it holds');
      return { keeper, isContinued: true };
    } catch (error) {
      // One that opens too late is nobody's.
      opening.then((late) => late.close()).catch(() => undefined);
      logger.warn({ err: error, sessionId }, 'The standby cannot hand over what it holds');
      return { keeper, isContinued: false };
    }
  }

  async #renew(): Promise<'standing-by' | 'wanted' | 'lost'> {
    const { leases, leaseOutage } = this.#options;
    try {
      const asking = leases.standBy(this.#place);
      const state = await withDeadline(asking, { ms: CALL_DEADLINE_MS, what: 'standing by' });
      leaseOutage.recovered();
      return state;
    } catch (error) {
      leaseOutage.failed(error);
      // Without an answer everything stays as it is; who has no place yet is asked again later.
      return this.#hasPlace ? 'standing-by' : 'lost';
    }
  }

  async #standDown(): Promise<void> {
    const giving = this.#options.leases.standDown(this.#place);
    await withDeadline(giving, { ms: CALL_DEADLINE_MS, what: 'standing down' }).catch((error: unknown) =>
      this.#options.leaseOutage.failed(error),
    );
  }

  #streamOptions(stream: StandbyStream): StreamRunnerOptions {
    const { publishing, firstK } = this.#options;
    const { context } = publishing;
    const token = (): number => this.#token;
    const isOnAir = (): boolean => this.#isOnAir;
    return {
      ...publishing,
      sink: { open: async () => stream },
      lease: {
        ...this.#place,
        from: { k: firstK(), part: 0 },
        get token() {
          return token();
        },
      },
      context: {
        ...context,
        relay: withoutPeriods(context.relay, isOnAir),
        ...{ events: this.#events, isOnAir },
      },
      handedOver: this.#handedOver.promise,
    };
  }
}

/** What a packager would answer to a hello, as far as its rows show it. */
function replyOf(rows: readonly sink.Row[]): sink.HelloReply {
  const byRendition = Map.groupBy(rows, ({ renditionId }) => renditionId);
  return {
    renditions: [...byRendition].map(([renditionId, own]) => ({ renditionId, rows: own })),
    inits: [],
  };
}

function ongoing(
  runner: StreamRunner,
  work: Promise<StreamOutcome>,
  stopping: AbortController,
): OngoingStream {
  return {
    get refusedParts() {
      return runner.refusedParts;
    },
    run: async (signal) => {
      const stop = (): void => stopping.abort();
      signal.addEventListener('abort', stop, { once: true });
      if (signal.aborted) stop();
      try {
        return await work;
      } finally {
        signal.removeEventListener('abort', stop);
        stop();
      }
    },
  };
}

/** Only the leader opens periods: whoever stands by waits for the next one. */
function withoutPeriods(relay: MediaRelay, isOnAir: () => boolean): MediaRelay {
  return {
    subscribe: (request, signal) => relay.subscribe(request, signal),
    openPeriod: async (request) => {
      if (isOnAir()) return relay.openPeriod(request);
      throw new ServiceError('FAILED_PRECONDITION', 'WORKER_STANDING_BY', 'only the leader opens a period', {
        retryable: true,
      });
    },
  };
}
