import type { session } from '@millrace/contracts';
import { followSessionRecords, ServiceError } from '@millrace/runtime';
import type { Clock, Logger, SessionStore } from '@millrace/runtime';
import { MemoryBudget } from './memory-budget.ts';
import type { MemoryLimits } from './memory-budget.ts';
import { SessionWindow } from './session-window.ts';
import type { SessionLimits, SessionObserver } from './session-window.ts';
import { WaiterLimit, WaitingRoom } from './waiting-room.ts';

/** Limits of everything the packager holds. */
export interface DirectoryLimits extends SessionLimits, MemoryLimits {
  readonly maxSessions: number;
  readonly maxWaiters: number;
  readonly maxIndexReaders: number;
}

/** Where a session id stands. */
export type FoundSession =
  | { readonly kind: 'known'; readonly window: SessionWindow }
  /** It ended and its time is over (410). */
  | { readonly kind: 'gone' }
  | { readonly kind: 'unknown' };

/** Ids of forgotten sessions that are remembered, so that their URLs say 410 and not 404. */
const MAX_FORGOTTEN = 10_000;
/** How long an ended session waits for the last rows of a worker: enough for another one to take over from one that died. */
const FINISH_DEADLINE_MS = 10_000;
/** A session that only a worker knows: its record should come any moment. */
const ADOPTION_DEADLINE_MS = 30_000;

/** All sessions this packager holds, kept in step with the session store. */
export class SessionDirectory {
  readonly #limits: DirectoryLimits;
  readonly #store: SessionStore;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #observer: SessionObserver;
  readonly #budget: MemoryBudget;
  readonly #waiterLimit: WaiterLimit;
  /** Places of the segment index's readers: services, whom viewers must not be able to keep out. */
  readonly readerLimit: WaiterLimit;
  readonly #sessions = new Map<string, SessionWindow>();
  readonly #forgotten = new Set<string>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  /** Readers who wait for a session to become known. */
  readonly arrivals: WaitingRoom;
  readonly #abort = new AbortController();
  #following: Promise<void> = Promise.resolve();
  #wasFull = false;

  constructor(options: {
    readonly limits: DirectoryLimits;
    readonly sessions: SessionStore;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly observer: Omit<SessionObserver, 'onFinished'>;
  }) {
    this.#limits = options.limits;
    this.#store = options.sessions;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#budget = new MemoryBudget(options.limits, () => this.#letGo());
    this.#waiterLimit = new WaiterLimit(options.limits.maxWaiters);
    this.readerLimit = new WaiterLimit(options.limits.maxIndexReaders);
    this.arrivals = new WaitingRoom(this.readerLimit);
    const { observer } = options;
    this.#observer = {
      onPartStored: (part) => observer.onPartStored(part),
      onDuplicate: () => observer.onDuplicate(),
      onRefused: (reason) => observer.onRefused(reason),
      onSegmentCompleted: (...completed) => observer.onSegmentCompleted(...completed),
      onFinished: (finished) => this.#onFinished(finished),
    };
  }

  /** Bytes of media that all sessions hold. */
  get mediaBytes(): number {
    return this.#budget.totalBytes;
  }

  /** Requests that are held. */
  get waiterCount(): number {
    return this.#waiterLimit.count;
  }

  get sessions(): Iterable<SessionWindow> {
    return this.#sessions.values();
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** Begins to follow the session store. */
  start(): void {
    this.#following = followSessionRecords(this.#store, {
      signal: this.#abort.signal,
      logger: this.#logger,
      onRecord: (record) => this.#apply(record),
    });
  }

  find(id: string): FoundSession {
    const window = this.#sessions.get(id);
    if (window !== undefined) return { kind: 'known', window };
    return { kind: this.#forgotten.has(id) ? 'gone' : 'unknown' };
  }

  /** The session a worker opens a stream for: the worker may have heard of it before the mirror. */
  adopt(id: string): SessionWindow {
    const known = this.#sessions.get(id);
    if (known !== undefined) return known;
    if (this.#abort.signal.aborted)
      throw new ServiceError('UNAVAILABLE', 'PACKAGER_STOPPING', 'This packager stops; use another one.');
    if (this.#forgotten.has(id)) {
      this.#observer.onRefused('session-ended');
      throw new ServiceError('FAILED_PRECONDITION', 'PACKAGER_SESSION_ENDED', `Session ${id} is over.`);
    }
    const window = this.#add(id);
    this.#awaitRecord(window);
    return window;
  }

  /** Ends every wait and stops following the store. */
  async stop(): Promise<void> {
    this.#abort.abort();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.arrivals.close();
    for (const window of this.#sessions.values()) window.clear();
    this.#sessions.clear();
    await this.#following;
  }

  #apply(record: session.SessionRecord): void {
    const { sessionId } = record;
    const known = this.#sessions.get(sessionId);
    if (known === undefined && (this.#forgotten.has(sessionId) || this.#isFull(sessionId))) return;
    const window = known ?? this.#add(sessionId);
    const hadEnded = window.hasEnded;
    window.update(record);
    if (window.hasEnded && !hadEnded && !window.isFinished)
      this.#setTimer(sessionId, FINISH_DEADLINE_MS, () => window.finish());
  }

  /** Whatever session is short of memory, what all of them may let go of by now makes room for it. */
  #letGo(): void {
    const nowMs = this.#clock();
    for (const window of this.#sessions.values()) window.letGo(nowMs);
  }

  /** True when there is no place for one more session; said once, until there is one again. */
  #isFull(sessionId: string): boolean {
    const isFull = this.#sessions.size >= this.#limits.maxSessions;
    if (isFull && !this.#wasFull) {
      this.#observer.onRefused('limit');
      this.#logger.warn({ sessionId }, 'A session is not served: limits.maxSessions is reached');
    }
    this.#wasFull = isFull;
    return isFull;
  }

  #add(id: string): SessionWindow {
    if (this.#sessions.size >= this.#limits.maxSessions) {
      this.#observer.onRefused('limit');
      throw new ServiceError(
        'RESOURCE_EXHAUSTED',
        'PACKAGER_LIMIT',
        `This packager holds ${this.#limits.maxSessions} sessions, which is limits.maxSessions.`,
      );
    }
    const window = new SessionWindow({
      id,
      account: this.#budget.openAccount(),
      limits: this.#limits,
      waiters: new WaitingRoom(this.#waiterLimit),
      observer: this.#observer,
    });
    this.#sessions.set(id, window);
    this.arrivals.wake();
    return window;
  }

  /** A session whose record does not come is let go, unless a worker publishes: the store may be down. */
  #awaitRecord(window: SessionWindow): void {
    this.#setTimer(window.id, ADOPTION_DEADLINE_MS, () => {
      if (window.record !== undefined) return;
      if (window.hasWriter) this.#awaitRecord(window);
      else this.#forget(window);
    });
  }

  #onFinished(window: SessionWindow): void {
    this.#logger.info({ sessionId: window.id }, 'Session finished; its media stays for the window and H-8');
    this.#setTimer(window.id, window.retentionAfterEndMs, () => this.#forget(window));
  }

  #forget(window: SessionWindow): void {
    this.#sessions.delete(window.id);
    this.#timers.delete(window.id);
    window.clear();
    this.#forgotten.add(window.id);
    if (this.#forgotten.size > MAX_FORGOTTEN) {
      const [oldest] = this.#forgotten;
      if (oldest !== undefined) this.#forgotten.delete(oldest);
    }
    this.#logger.info({ sessionId: window.id, at: this.#clock() }, 'Session forgotten');
  }

  /** One timer a session: a later step replaces the one before it. */
  #setTimer(id: string, delayMs: number, run: () => void): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.set(id, setTimeout(run, delayMs));
  }
}
