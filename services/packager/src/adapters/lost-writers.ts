import type { EventEmitter, LeaseStore, Logger } from '@millrace/runtime';
import type { SessionWindow } from '../domain/session-window.ts';

/**
 * A worker that lives opens its stream again within 250 ms: one that has not after this long is gone, and whoever waits for its
 * lease to lapse would wait 3 s.
 */
const REOPEN_DEADLINE_MS = 600;

/** What is needed to free a session of a worker that is gone. */
export interface LostWritersOptions {
  readonly leases: Pick<LeaseStore, 'release'>;
  readonly events: EventEmitter;
  readonly logger: Logger;
}

/** Gives up the leases of workers whose streams broke off without goodbye, so that another worker can have them at once. */
export class LostWriters {
  readonly #options: LostWritersOptions;
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(options: LostWritersOptions) {
    this.#options = options;
  }

  /** A stream broke off that ruled by this token. */
  note(window: SessionWindow, token: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      // It is back, or another worker has the session already.
      if (window.hasWriter || window.isFinished) return;
      void this.#release(window, token);
    }, REOPEN_DEADLINE_MS);
    this.#timers.add(timer);
  }

  /** Forgets whoever is waited for. */
  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  async #release(window: SessionWindow, token: number): Promise<void> {
    const { leases, events, logger } = this.#options;
    const { id: sessionId, record } = window;
    if (record === undefined) return;
    const { channel } = record;
    try {
      // The twin, or the worker itself, may have done so.
      if (!(await leases.release({ channel, sessionId, token }))) return;
      logger.warn({ sessionId, token }, 'A worker was lost: its lease is free');
      events.emit({ type: 'LeaseReleased', data: { channel, sessionId, token, reason: 'worker-lost' } });
    } catch (error) {
      logger.warn({ err: error, sessionId, token }, 'The lease of a lost worker ends by itself within 3 s');
    }
  }
}
