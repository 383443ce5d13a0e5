import { session } from '@millrace/contracts';
import type { EventEmitter, Logger, SessionRef, SessionStore, UnclaimedSessions } from '@millrace/runtime';
import type { Counter, Gauge } from 'prom-client';
import type { Catalogue } from './catalogue.ts';
import type { SessionMirror } from './session-mirror.ts';

const INTERVAL_MS = 1000;
const STATES = {
  live: session.SessionState.LIVE,
  gap: session.SessionState.GAP,
  ended: session.SessionState.ENDED,
};

/** What the janitor looks after. */
export interface JanitorDependencies {
  readonly store: SessionStore;
  readonly leases: Pick<UnclaimedSessions, 'offer' | 'unclaimed' | 'withdraw'>;
  readonly catalogue: Pick<Catalogue, 'revokeExpiredKeys'>;
  readonly mirror: Pick<SessionMirror, 'list' | 'get' | 'count' | 'forgetEnded'>;
  readonly events: EventEmitter;
  readonly logger: Logger;
  readonly failures: Counter;
  readonly sessions: Gauge;
}

/** Does what has to happen when nobody asks: sessions without a worker, or past their grace time; keys past their overlap. Any number may run. */
export class Janitor {
  readonly #dependencies: JanitorDependencies;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(dependencies: JanitorDependencies) {
    this.#dependencies = dependencies;
  }

  start(): void {
    this.#schedule();
  }

  /** Stops the timer and waits for a run under way. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#running;
  }

  /** One run; never rejects. A duty that fails keeps none of the others from being done. */
  async run(): Promise<void> {
    const { catalogue, mirror } = this.#dependencies;
    await this.#do('sweep', () => this.#sweep());
    await this.#do('offer', () => this.#offer());
    await this.#do('revoke', () => catalogue.revokeExpiredKeys());
    mirror.forgetEnded();
    this.#countSessions();
  }

  async #do(duty: string, work: () => Promise<unknown>): Promise<void> {
    const { logger, failures } = this.#dependencies;
    try {
      await work();
    } catch (error) {
      failures.inc();
      logger.warn(
        { err: error, duty },
        'The janitor failed; sessions may end late. It runs again in a second',
      );
    }
  }

  async #sweep(): Promise<void> {
    const { store, events, logger } = this.#dependencies;
    for (const { sessionId, channel, state } of await store.sweep()) {
      if (state !== session.SessionState.ENDED) continue;
      logger.info({ sessionId, channel }, 'Session ended: grace time is over');
      events.emit({ type: 'SessionEnded', data: { channel, sessionId } });
    }
  }

  /** Lists what wants a worker, and takes off the list what is over. */
  async #offer(): Promise<void> {
    const { leases, mirror } = this.#dependencies;
    await leases.offer(this.#wantingWorker());
    const listed = await leases.unclaimed();
    const isOver = ({ sessionId }: SessionRef): boolean =>
      mirror.get(sessionId)?.record.state === session.SessionState.ENDED;
    await leases.withdraw(listed.filter(isOver));
  }

  /** Everything that is not over: which of it has a worker is for the leases to say. */
  #wantingWorker(): readonly SessionRef[] {
    return this.#dependencies.mirror
      .list()
      .filter(
        ({ record }) => record.state !== session.SessionState.ENDED && record.presentation !== undefined,
      )
      .map(({ record: { channel, sessionId } }) => ({ channel, sessionId }));
  }

  #countSessions(): void {
    const { sessions, mirror } = this.#dependencies;
    for (const [state, value] of Object.entries(STATES)) sessions.set({ state }, mirror.count(value));
  }

  async #tick(): Promise<void> {
    await this.run();
    if (this.#timer !== undefined) this.#schedule();
  }

  #schedule(): void {
    this.#timer = setTimeout(() => {
      this.#running = this.#tick();
    }, INTERVAL_MS);
  }
}
