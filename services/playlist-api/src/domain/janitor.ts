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
  readonly leases: Pick<UnclaimedSessions, 'offer'>;
  readonly catalogue: Catalogue;
  readonly mirror: SessionMirror;
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

  /** One run; never rejects. */
  async run(): Promise<void> {
    const { store, leases, catalogue, mirror, events, logger, failures } = this.#dependencies;
    try {
      for (const record of await store.sweep()) {
        if (record.state !== session.SessionState.ENDED) continue;
        logger.info(
          { sessionId: record.sessionId, channel: record.channel },
          'Session ended: grace time is over',
        );
        events.emit({ type: 'SessionEnded', data: { channel: record.channel, sessionId: record.sessionId } });
      }
      await leases.offer(this.#wantingWorker());
      await catalogue.revokeExpiredKeys();
      mirror.forgetEnded();
      this.#countSessions();
    } catch (error) {
      failures.inc();
      logger.warn({ err: error }, 'The janitor failed; sessions may end late. It runs again in a second');
    }
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
