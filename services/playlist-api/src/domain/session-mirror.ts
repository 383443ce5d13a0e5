import { setTimeout as delay } from 'node:timers/promises';
import { session } from '@millrace/contracts';
import { followSessionRecords, jittered } from '@millrace/runtime';
import type { Clock, Logger, PlacedPackager, SessionStore } from '@millrace/runtime';
import { emptyView, withRecord, withRows } from './session-view.ts';
import type { SessionView } from './session-view.ts';

const RETRY_MS = 250;
/** How long the last rows of a session that has ended are asked for: a packager that was lost has been replaced by then. */
const LAST_ROWS_WAIT_MS = 30_000;
/** How long an ended session is remembered, so that its viewers hear `gone` and not `not live`. */
const ENDED_MEMORY_MS = 10 * 60_000;

/** The packagers of a session, of which the rows are read. */
export interface PackagerPeers {
  packagersOf(record: session.SessionRecord): readonly Pick<PlacedPackager, 'index'>[];
}

/** Keeps a view of every session in memory, so that requests are answered without asking anybody. */
export class SessionMirror {
  readonly #store: SessionStore;
  readonly #peers: PackagerPeers;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #views = new Map<string, SessionView>();
  /** Newest session of each channel. */
  readonly #newest = new Map<string, string>();
  readonly #waiters = new Map<string, Set<() => void>>();
  readonly #stopping = new AbortController();
  /** Ends the following of a session's rows, by its id. */
  readonly #following = new Map<string, AbortController>();
  readonly #tasks = new Set<Promise<void>>();

  constructor(dependencies: {
    readonly store: SessionStore;
    readonly peers: PackagerPeers;
    readonly clock: Clock;
    readonly logger: Logger;
  }) {
    this.#store = dependencies.store;
    this.#peers = dependencies.peers;
    this.#clock = dependencies.clock;
    this.#logger = dependencies.logger;
  }

  /** Follows the store from now on. */
  start(): void {
    this.#own(
      followSessionRecords(this.#store, {
        signal: this.#stopping.signal,
        logger: this.#logger,
        onRecord: (record) => this.#onRecord(record),
      }),
    );
  }

  /** Stops following; what is known stays readable. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const following of this.#following.values()) following.abort();
    await Promise.all(this.#tasks);
  }

  /** The newest session of a channel. */
  currentOf(channel: string): SessionView | undefined {
    const id = this.#newest.get(channel);
    return id === undefined ? undefined : this.#views.get(id);
  }

  /** A session by its id. */
  get(sessionId: string): SessionView | undefined {
    return this.#views.get(sessionId);
  }

  /** Every session, oldest first. */
  list(): readonly SessionView[] {
    return [...this.#views.values()].toSorted((a, b) => (a.record.sessionId < b.record.sessionId ? -1 : 1));
  }

  /** Sessions in a state. */
  count(state: session.SessionState): number {
    let count = 0;
    for (const { record } of this.#views.values()) if (record.state === state) count += 1;
    return count;
  }

  /** Resolves at the next change of a channel's sessions, or when the signal is aborted. */
  nextChange(channel: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const waiters = this.#waiters.get(channel) ?? new Set();
      this.#waiters.set(channel, waiters);
      const finish = (): void => {
        waiters.delete(finish);
        if (waiters.size === 0 && this.#waiters.get(channel) === waiters) this.#waiters.delete(channel);
        signal.removeEventListener('abort', finish);
        resolve();
      };
      waiters.add(finish);
      signal.addEventListener('abort', finish);
      if (signal.aborted) finish();
    });
  }

  /** Forgets sessions that ended long ago; called by the janitor. */
  forgetEnded(): void {
    for (const { record } of this.#views.values()) {
      if (!this.#isForgettable(record)) continue;
      this.#views.delete(record.sessionId);
      // One whose rows nobody ever knew is waited for to this day.
      this.#following.get(record.sessionId)?.abort();
      if (this.#newest.get(record.channel) === record.sessionId) this.#newest.delete(record.channel);
    }
  }

  #onRecord(record: session.SessionRecord): void {
    const known = this.#views.get(record.sessionId);
    if (known === undefined && this.#isForgettable(record)) return;
    this.#set(known === undefined ? emptyView(record) : withRecord(known, record));
    if (known !== undefined || this.#stopping.signal.aborted) return;
    const { sessionId } = record;
    const following = new AbortController();
    this.#following.set(sessionId, following);
    this.#own(this.#followRows(sessionId, following.signal).finally(() => this.#following.delete(sessionId)));
  }

  /** Follows the rows of a session until its last one; after a pause at the next of its packagers when that is cut off. */
  async #followRows(sessionId: string, signal: AbortSignal): Promise<void> {
    let isFailing = false;
    /** Since when the rows of a session that has ended fail to come. */
    let lateSinceMs: number | undefined;
    for (let attempt = 0; ; attempt += 1) {
      const record = this.#views.get(sessionId)?.record;
      if (record === undefined) return;
      const packagers = this.#peers.packagersOf(record);
      const packager = packagers[attempt % Math.max(packagers.length, 1)];
      let hasFailed = false;
      try {
        for await (const { rows } of packager?.index.watch({ sessionId, withParts: false }, signal) ?? []) {
          const view = this.#views.get(sessionId);
          if (view === undefined) return;
          this.#set(withRows(view, rows));
          if (isFailing) this.#logger.info({ sessionId }, 'The rows of a session are followed again');
          isFailing = false;
          lateSinceMs = undefined;
        }
      } catch (error) {
        hasFailed = true;
        if (!isFailing && !signal.aborted)
          this.#logger.warn(
            { err: error, sessionId },
            'The rows of a session cannot be followed; it is tried again',
          );
        isFailing = true;
      }
      const state = this.#views.get(sessionId)?.record.state;
      if (signal.aborted || state === undefined) return;
      if (state === session.SessionState.ENDED) {
        // An index that ends by itself has given the last row; one that failed may still have it.
        if (!hasFailed) return;
        lateSinceMs ??= this.#clock();
        if (this.#clock() - lateSinceMs >= LAST_ROWS_WAIT_MS) {
          this.#logger.warn(
            { sessionId },
            'The last rows of a session that has ended did not come; left as it is',
          );
          return;
        }
      }
      await delay(jittered(RETRY_MS), undefined, { signal }).catch(() => undefined);
    }
  }

  #set(view: SessionView): void {
    const { sessionId, channel } = view.record;
    this.#views.set(sessionId, view);
    const newest = this.currentOf(channel)?.record;
    // Ids are ULIDs: the later one is the greater one.
    if (newest === undefined || newest.sessionId < sessionId) this.#newest.set(channel, sessionId);
    for (const wake of [...(this.#waiters.get(channel) ?? [])]) wake();
  }

  #isForgettable(record: session.SessionRecord): boolean {
    return (
      record.state === session.SessionState.ENDED && this.#clock() - record.stateSinceMs >= ENDED_MEMORY_MS
    );
  }

  #own(following: Promise<void>): void {
    const task = following.finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }
}
