import { session } from '@millrace/contracts';
import { followSessionRecords } from '@millrace/runtime';
import type { SessionStore } from '@millrace/runtime';
import { pause, withDeadline } from './deadline.ts';
import { Outage } from './outage.ts';
import { SessionRunner } from './session-runner.ts';
import type { SessionRunnerDependencies } from './session-runner.ts';

/** The net under what the store tells: free sessions are looked for this often. */
const POLL_MS = 1000;
/** An idle worker leaves a free session to busier ones for this long. */
const MAX_HESITATION_MS = 30;

/** What the claimer works with. */
export interface SessionClaimerDependencies extends Omit<SessionRunnerDependencies, 'leaseOutage'> {
  readonly sessions: Pick<SessionStore, 'watch'>;
}

/** Watches the live sessions, and works for those that it gets the lease of, within its capacity. */
export class SessionClaimer {
  readonly #dependencies: SessionClaimerDependencies;
  readonly #leaseOutage: Outage;
  readonly #records = new Map<string, session.SessionRecord>();
  readonly #running = new Map<string, Promise<void>>();
  /** Sessions that this worker has no capacity for; whoever looks after the workers has been told of each. */
  readonly #waiting = new Set<string>();
  readonly #abort = new AbortController();
  #following: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  constructor(dependencies: SessionClaimerDependencies) {
    this.#dependencies = dependencies;
    this.#leaseOutage = new Outage({ peer: 'leases', ...dependencies });
  }

  start(): void {
    const { sessions, logger } = this.#dependencies;
    const { signal } = this.#abort;
    this.#following = followSessionRecords(sessions, {
      signal,
      logger,
      onRecord: (record) => this.#note(record),
    });
    this.#timer = setInterval(() => this.#claimAll(), POLL_MS);
  }

  /** Stops all work at once; returns when every ffmpeg is gone and every lease given up, or the deadline is over. */
  async stop(deadlineMs: number): Promise<void> {
    clearInterval(this.#timer);
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

  #note(record: session.SessionRecord): void {
    const known = this.#records.get(record.sessionId);
    if (known !== undefined && known.revision > record.revision) return;
    if (record.state === session.SessionState.ENDED) this.#leave(record.sessionId);
    if (record.state === session.SessionState.ENDED && !this.#running.has(record.sessionId)) {
      this.#records.delete(record.sessionId);
      return;
    }
    this.#records.set(record.sessionId, record);
    this.#claim(record);
  }

  #claimAll(): void {
    for (const record of this.#records.values()) this.#claim(record);
  }

  #claim(record: session.SessionRecord): void {
    const { sessionId, presentation } = record;
    const { config, logger } = this.#dependencies;
    const isFree = record.state !== session.SessionState.ENDED && !this.#running.has(sessionId);
    if (presentation === undefined || !isFree) return;
    if (this.#running.size >= config.maxSessions) {
      this.#wait(record);
      return;
    }
    this.#leave(sessionId);
    const running = this.#run(record, presentation)
      .catch((error: unknown) => {
        logger.error({ err: error, sessionId }, 'A session cannot be worked for; it is free for any worker');
      })
      .finally(() => {
        this.#running.delete(sessionId);
        if (this.#records.get(sessionId)?.state === session.SessionState.ENDED)
          this.#records.delete(sessionId);
      });
    this.#running.set(sessionId, running);
  }

  #wait({ sessionId, channel }: session.SessionRecord): void {
    if (this.#waiting.has(sessionId)) return;
    this.#waiting.add(sessionId);
    const { config, logger, metrics } = this.#dependencies;
    metrics.waitingSessions.set(this.#waiting.size);
    logger.warn(
      { id: 'WORKER_CAPACITY', sessionId, channel, maxSessions: config.maxSessions },
      'This worker is full: the session waits for another worker, or for one that ends; start more workers or raise maxSessions',
    );
  }

  #leave(sessionId: string): void {
    if (this.#waiting.delete(sessionId)) this.#dependencies.metrics.waitingSessions.set(this.#waiting.size);
  }

  async #run(record: session.SessionRecord, presentation: session.Presentation): Promise<void> {
    const { config, logger } = this.#dependencies;
    const { sessionId } = record;
    const { signal } = this.#abort;
    await pause(hesitationMs(this.#running.size - 1, config.maxSessions), signal);
    const current = (): session.SessionRecord => this.#records.get(sessionId) ?? record;
    const dependencies = { ...this.#dependencies, leaseOutage: this.#leaseOutage };
    const outcome = await new SessionRunner(dependencies, current, presentation).run(signal);
    if (outcome !== 'lease-held') logger.info({ sessionId, outcome }, 'The work for the session is over');
    // A session that ended is not claimed again, even if the record says so a moment later.
    if (outcome === 'session-ended') this.#records.delete(sessionId);
  }
}

/** How long a worker with so many sessions waits before it tries to take another: the fullest wins, so that others stay idle. */
export function hesitationMs(sessions: number, maxSessions: number): number {
  return MAX_HESITATION_MS * (1 - sessions / maxSessions);
}
