import { session } from '@millrace/contracts';
import { followSessionRecords, hasRoom, unitsOf } from '@millrace/runtime';
import type { EventBus, LeaseStore, SessionStore, UnclaimedSessions } from '@millrace/runtime';
import { pause, withDeadline } from './deadline.ts';
import { Outage } from './outage.ts';
import { SessionRunner } from './session-runner.ts';
import type { SessionRole, SessionRunnerDependencies } from './session-runner.ts';

/** The net under what events tell: sessions that want a worker are looked for this often. */
const POLL_MS = 1000;
/** The net under the list of them, which somebody else keeps: every session is tried this often. */
const SWEEP_POLLS = 5;
/** An idle worker leaves a free session to busier ones for this long. */
const MAX_HESITATION_MS = 30;
/** A worker that drains calls for successors this often. */
const CALL_INTERVAL_MS = 1000;
/** Calls to the lease store that are not about a lease that is held. */
const CALL_DEADLINE_MS = 1000;

/** What the claimer works with. */
export interface SessionClaimerDependencies extends Omit<
  SessionRunnerDependencies,
  'leaseOutage' | 'onRole' | 'draining'
> {
  readonly sessions: Pick<SessionStore, 'watch'>;
  readonly leases: LeaseStore & UnclaimedSessions;
  /** What says that a session is free, sooner than the poll would find it. */
  readonly bus: Pick<EventBus, 'subscribe'>;
  /** What this worker takes at most, in units. */
  readonly capacityUnits: number;
}

/** A session that is tried or worked for. */
interface Work {
  readonly units: number;
  /** Absent while it is tried. */
  readonly role: SessionRole | undefined;
}

/** Watches the live sessions, and works for those that it gets the lease of, within its capacity. */
export class SessionClaimer {
  readonly #dependencies: SessionClaimerDependencies;
  readonly #leaseOutage: Outage;
  readonly #records = new Map<string, session.SessionRecord>();
  readonly #running = new Map<string, Promise<void>>();
  /** The sessions that are running: never more than there is capacity for. */
  readonly #work = new Map<string, Work>();
  /** Sessions that this worker has no capacity for; whoever looks after the workers has been told of each. */
  readonly #waiting = new Set<string>();
  readonly #abort = new AbortController();
  readonly #draining = new AbortController();
  #following: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #polls = 0;
  /** The last session of the last sweep. */
  #sweptTo = '';
  #unsubscribe: () => void = () => undefined;

  constructor(dependencies: SessionClaimerDependencies) {
    this.#dependencies = dependencies;
    this.#leaseOutage = new Outage({ peer: 'leases', ...dependencies });
  }

  /** Units of the sessions that this worker leads or stands by for. */
  get loadUnits(): number {
    return sumOfUnits([...this.#work.values()].filter(({ role }) => role !== undefined));
  }

  start(): void {
    const { sessions, bus, logger } = this.#dependencies;
    const { signal } = this.#abort;
    this.#following = followSessionRecords(sessions, {
      signal,
      logger,
      onRecord: (record) => this.#note(record),
    });
    this.#unsubscribe = bus.subscribe(({ event }) => {
      if (event.type === 'LeaseReleased' || event.type === 'SuccessorCalled')
        this.#claim(event.data.sessionId);
    });
    this.#timer = setInterval(() => void this.#poll(), POLL_MS);
  }

  /**
   * Takes nothing new and calls for successors of all that it has; resolves when each session has one, or has ended, or the
   * deadline is over. What is left then goes on until `stop`.
   */
  async drain(deadlineMs: number): Promise<void> {
    this.#draining.abort();
    const { logger, events, config } = this.#dependencies;
    logger.info({ sessions: this.#led().length }, 'Draining: calling for successors');
    const deadline = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(deadlineMs)]);
    while (this.#running.size > 0 && !deadline.aborted) {
      await Promise.all(this.#led().map((sessionId) => this.#callSuccessor(sessionId)));
      await Promise.race([pause(CALL_INTERVAL_MS, deadline), Promise.all(this.#running.values())]);
    }
    for (const sessionId of this.#led()) {
      const channel = this.#records.get(sessionId)?.channel ?? '';
      const data = { channel, sessionId, worker: config.instance, reason: 'no-successor' };
      logger.warn({ sessionId }, 'No successor was found in time; the session is free for any worker');
      events.emit({ type: 'HandoverFailed', data });
    }
  }

  /** Stops all work at once; returns when every ffmpeg is gone and every lease given up, or the deadline is over. */
  async stop(deadlineMs: number): Promise<void> {
    clearInterval(this.#timer);
    this.#unsubscribe();
    this.#abort.abort();
    const stopped = Promise.all([this.#following, ...this.#running.values()]);
    // What is left then has been told to end; nobody waits longer for it.
    await withDeadline(stopped, { ms: deadlineMs, what: 'stopping all work' }).catch((error: unknown) => {
      this.#dependencies.logger.warn(
        { err: error, sessions: this.#running.size },
        'The worker stops before all its work has ended; leases end by themselves within 3 s',
      );
    });
    this.#leaseOutage.end();
  }

  async #callSuccessor(sessionId: string): Promise<void> {
    const { leases, events, logger, config } = this.#dependencies;
    const channel = this.#records.get(sessionId)?.channel;
    if (channel === undefined) return;
    try {
      // Whoever has succeeded already keeps the session.
      const calling = leases.callSuccessor({ channel, sessionId, workerId: config.instance });
      const isCalled = await withDeadline(calling, { ms: CALL_DEADLINE_MS, what: 'calling for a successor' });
      if (!isCalled) return;
      events.emit({ type: 'SuccessorCalled', data: { channel, sessionId, reason: 'drain' } });
    } catch (error) {
      logger.warn({ err: error, sessionId }, 'A successor cannot be called for; it is tried again');
    }
  }

  #note(record: session.SessionRecord): void {
    const { sessionId } = record;
    const known = this.#records.get(sessionId);
    if (known !== undefined && known.revision > record.revision) return;
    const isOver = record.state === session.SessionState.ENDED;
    if (isOver) this.#leave(sessionId);
    if (isOver && !this.#running.has(sessionId)) {
      this.#records.delete(sessionId);
      return;
    }
    this.#records.set(sessionId, record);
    // Who has the lease of a session that is known already is known too, or shows in the poll.
    if (known?.presentation === undefined) this.#claim(sessionId);
  }

  async #poll(): Promise<void> {
    this.#polls += 1;
    if (this.#polls % SWEEP_POLLS === 0) this.#sweep();
    try {
      const asking = this.#dependencies.leases.unclaimed();
      const unclaimed = await withDeadline(asking, { ms: CALL_DEADLINE_MS, what: 'listing free sessions' });
      this.#leaseOutage.recovered();
      const ids = new Set(unclaimed.map(({ sessionId }) => sessionId));
      for (const sessionId of this.#waiting) if (!ids.has(sessionId)) this.#leave(sessionId);
      for (const sessionId of ids) this.#claim(sessionId, { isWanting: true });
    } catch (error) {
      this.#leaseOutage.failed(error);
    }
  }

  /** Tries as many sessions as there is room for, from where the last sweep stopped: each has its turn. */
  #sweep(): void {
    for (const sessionId of inTurn([...this.#records.keys()], this.#sweptTo)) {
      if (this.#claim(sessionId)) this.#sweptTo = sessionId;
    }
  }

  /**
   * Tries to get a session that may be free, if there is room for it; false when it is not tried. One that is known to want a worker
   * and cannot have this one waits, and is told of.
   */
  #claim(sessionId: string, { isWanting = false } = {}): boolean {
    const record = this.#records.get(sessionId);
    const presentation = record?.presentation;
    if (record === undefined || presentation === undefined || record.state === session.SessionState.ENDED)
      return false;
    if (this.#running.has(sessionId) || this.#draining.signal.aborted) return false;
    const { capacityUnits, logger } = this.#dependencies;
    const units = unitsOf(presentation);
    if (isWanting && !hasRoom({ capacityUnits, loadUnits: this.loadUnits }, units)) this.#wait(record, units);
    // What is tried may come to nothing: the poll is the next try.
    if (!hasRoom({ capacityUnits, loadUnits: sumOfUnits([...this.#work.values()]) }, units)) return false;
    this.#setWork(sessionId, { units, role: undefined });
    const running = this.#run(record, presentation)
      .catch((error: unknown) => {
        logger.error({ err: error, sessionId }, 'A session cannot be worked for; it is free for any worker');
      })
      .finally(() => {
        this.#running.delete(sessionId);
        this.#setWork(sessionId, undefined);
        if (this.#records.get(sessionId)?.state === session.SessionState.ENDED)
          this.#records.delete(sessionId);
      });
    this.#running.set(sessionId, running);
    return true;
  }

  #setWork(sessionId: string, work: Work | undefined): void {
    if (work === undefined) this.#work.delete(sessionId);
    else this.#work.set(sessionId, work);
    this.#dependencies.metrics.loadUnits.set(this.loadUnits);
  }

  #led(): readonly string[] {
    return [...this.#work].flatMap(([sessionId, { role }]) => (role === 'leading' ? [sessionId] : []));
  }

  #wait({ sessionId, channel }: session.SessionRecord, units: number): void {
    if (this.#waiting.has(sessionId)) return;
    this.#waiting.add(sessionId);
    const { capacityUnits, logger, metrics } = this.#dependencies;
    metrics.waitingSessions.set(this.#waiting.size);
    logger.warn(
      { id: 'WORKER_CAPACITY', sessionId, channel, units, loadUnits: this.loadUnits, capacityUnits },
      'This worker is full: the session waits for another worker, or for one that ends; start more workers or raise capacityUnits',
    );
  }

  #leave(sessionId: string): void {
    if (this.#waiting.delete(sessionId)) this.#dependencies.metrics.waitingSessions.set(this.#waiting.size);
  }

  async #run(record: session.SessionRecord, presentation: session.Presentation): Promise<void> {
    const { capacityUnits, logger } = this.#dependencies;
    const { sessionId } = record;
    const { signal } = this.#abort;
    await pause(hesitationMs(this.loadUnits, capacityUnits), signal);
    const runner = new SessionRunner(
      {
        ...this.#dependencies,
        leaseOutage: this.#leaseOutage,
        draining: this.#draining.signal,
        onRole: (role) => {
          this.#setWork(sessionId, { units: unitsOf(presentation), role });
          if (role === 'leading') this.#leave(sessionId);
        },
      },
      () => this.#records.get(sessionId) ?? record,
      presentation,
    );
    const outcome = await runner.run(signal);
    if (outcome !== 'lease-held') logger.info({ sessionId, outcome }, 'The work for the session is over');
    // A session that ended is not claimed again, even if the record says so a moment later.
    if (outcome === 'session-ended') this.#records.delete(sessionId);
  }
}

/** All of them in order, from the one behind the last that had its turn on. */
export function inTurn(ids: readonly string[], last: string): readonly string[] {
  const sorted = ids.toSorted();
  const start = Math.max(
    0,
    sorted.findIndex((id) => id > last),
  );
  return [...sorted.slice(start), ...sorted.slice(0, start)];
}

/** How long a worker with so much load waits before it tries to take more: the fullest wins, so that others stay idle. */
export function hesitationMs(loadUnits: number, capacityUnits: number): number {
  return MAX_HESITATION_MS * Math.max(0, 1 - loadUnits / capacityUnits);
}

function sumOfUnits(works: readonly Work[]): number {
  return works.reduce((sum, { units }) => sum + units, 0);
}
