import { session } from '@millrace/contracts';
import { followSessionRecords, ServiceError } from '@millrace/runtime';
import type { Clock, Logger, SessionStore } from '@millrace/runtime';
import { MemoryBudget } from './memory-budget.ts';
import type { MemoryLimits } from './memory-budget.ts';
import { SessionWindow } from './session-window.ts';
import type { SessionLimits, SessionObserver } from './session-window.ts';
import { waitInRoom } from './wait-in-room.ts';
import { WaiterLimit, WaitingRoom } from './waiting-room.ts';

/** Limits of everything the packager holds. */
export interface DirectoryLimits extends SessionLimits, MemoryLimits {
  readonly maxSessions: number;
  readonly maxWaiters: number;
  readonly maxIndexReaders: number;
}

/** Which sessions are to be held here, where there are other packagers. */
export interface Residence {
  /** True when the session is placed on this packager. */
  isResident(record: session.SessionRecord): boolean;
  /** A session is held from now on: it is to be filled. */
  onAdded(window: SessionWindow): void;
  /** A session is held no longer. */
  onRemoved(window: SessionWindow): void;
}

/** Where a session id stands. */
export type FoundSession =
  | { readonly kind: 'known'; readonly window: SessionWindow }
  /** Other packagers have it. */
  | { readonly kind: 'elsewhere'; readonly record: session.SessionRecord }
  /** It ended and its time is over (410). */
  | { readonly kind: 'gone' }
  | { readonly kind: 'unknown' };

/** Ids of forgotten sessions that are remembered, so that their URLs say 410 and not 404. */
const MAX_FORGOTTEN = 10_000;
/** How long an ended session waits for the last rows of a worker: enough for another one to take over from one that died. */
const FINISH_DEADLINE_MS = 10_000;
/** How long a worker waits for its session to be filled; it says hello again after that. */
const FILL_DEADLINE_MS = 3000;
/** Readers of the index go to another packager after this. */
const WATCH_FILL_DEADLINE_MS = 2000;
/** A session that only a worker knows: its record should come any moment. */
const ADOPTION_DEADLINE_MS = 30_000;

/** An ended session that others hold: longer than any window. */
const ELSEWHERE_AFTER_END_MS = 60 * 60_000;

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
  /** Records of sessions that other packagers have. */
  readonly #elsewhere = new Map<string, session.SessionRecord>();
  readonly #residence: Residence | undefined;
  readonly #forgotten = new Set<string>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  /** Those who wait for a session to become known: viewers, and readers in places of their own. */
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
    /** Absent where this is the only packager: it holds every session. */
    readonly residence?: Residence;
  }) {
    this.#limits = options.limits;
    this.#store = options.sessions;
    this.#clock = options.clock;
    this.#residence = options.residence;
    this.#logger = options.logger;
    this.#budget = new MemoryBudget(options.limits, () => this.#letGoOfExpired());
    this.#waiterLimit = new WaiterLimit(options.limits.maxWaiters);
    this.readerLimit = new WaiterLimit(options.limits.maxIndexReaders);
    this.arrivals = new WaitingRoom(this.#waiterLimit);
    const { observer } = options;
    this.#observer = {
      onPartStored: (part) => observer.onPartStored(part),
      onPartCopied: (part) => observer.onPartCopied(part),
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

  /** The limit of everything that is held. */
  get waiterLimit(): WaiterLimit {
    return this.#waiterLimit;
  }

  /** The newest record of a session. */
  recordOf(id: string): session.SessionRecord | undefined {
    return this.#sessions.get(id)?.record ?? this.#elsewhere.get(id);
  }

  /** Every record that is known here. */
  *records(): Iterable<session.SessionRecord> {
    for (const { record } of this.#sessions.values()) if (record !== undefined) yield record;
    yield* this.#elsewhere.values();
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
    const record = this.#elsewhere.get(id);
    if (record !== undefined) return { kind: 'elsewhere', record };
    return { kind: this.#forgotten.has(id) ? 'gone' : 'unknown' };
  }

  /**
   * The window of a session once everything that the twins hold is held here too; `undefined` when it is over or the signal is
   * aborted. One that is unknown is awaited; one that others hold, or that is not filled in time, is `PACKAGER_FILLING`.
   */
  async held(
    id: string,
    waiting: { readonly signal: AbortSignal; readonly limit: WaiterLimit },
  ): Promise<SessionWindow | undefined> {
    const isKnown = (): boolean => this.find(id).kind !== 'unknown';
    if (!(await waitInRoom(this.arrivals, isKnown, waiting))) return undefined;
    const isHere = (): boolean => {
      const found = this.find(id);
      return found.kind === 'gone' || (found.kind === 'known' && found.window.isFilled);
    };
    const deadlineMs = WATCH_FILL_DEADLINE_MS;
    const isThere = await waitInRoom(this.arrivals, isHere, { ...waiting, deadlineMs });
    const found = this.find(id);
    if (found.kind === 'known' && found.window.isFilled) return found.window;
    if (isThere || waiting.signal.aborted || this.arrivals.isClosed) return undefined;
    throw filling(id);
  }

  /** The same for a worker, which may have heard of its session before the mirror. */
  async heldForWorker(id: string, signal: AbortSignal): Promise<SessionWindow> {
    const window = this.#adopt(id);
    const isReady = (): boolean => window.isFilled || window.isFinished;
    if (await waitInRoom(window.changes, isReady, { signal, deadlineMs: FILL_DEADLINE_MS })) return window;
    signal.throwIfAborted();
    throw filling(id);
  }

  /** Holds a session that others have: it is filled from them. No effect when there is no place. */
  hold(id: string): void {
    const record = this.#elsewhere.get(id);
    if (record === undefined || this.#isFull(id)) return;
    this.#add(id).update(record);
  }

  /** Lets a session go that others have. */
  letGo(window: SessionWindow): void {
    const { id, record } = window;
    if (this.#sessions.get(id) !== window || record === undefined) return;
    this.#remove(window);
    this.#elsewhere.set(id, record);
    this.#logger.info({ sessionId: id }, 'Session let go: it is placed on other packagers');
  }

  #adopt(id: string): SessionWindow {
    const known = this.#sessions.get(id);
    if (known !== undefined) return known;
    if (this.#abort.signal.aborted)
      throw new ServiceError('UNAVAILABLE', 'PACKAGER_STOPPING', 'This packager stops; use another one.');
    if (this.#forgotten.has(id)) {
      this.#observer.onRefused('session-ended');
      throw new ServiceError('FAILED_PRECONDITION', 'PACKAGER_SESSION_ENDED', `Session ${id} is over.`);
    }
    const record = this.#elsewhere.get(id);
    const window = this.#add(id);
    if (record === undefined) this.#awaitRecord(window);
    else window.update(record);
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
    if (known === undefined && this.#forgotten.has(sessionId)) return;
    if (known === undefined && this.#residence?.isResident(record) === false) {
      this.#noteElsewhere(record);
      return;
    }
    if (known === undefined && this.#isFull(sessionId)) return;
    const window = known ?? this.#add(sessionId);
    const hadEnded = window.hasEnded;
    window.update(record);
    if (window.hasEnded && !hadEnded && window.isFilled) this.#awaitEnd(window);
  }

  #noteElsewhere(record: session.SessionRecord): void {
    const { sessionId, state } = record;
    const isNew = !this.#elsewhere.has(sessionId);
    this.#elsewhere.set(sessionId, record);
    if (isNew) this.arrivals.wake();
    // Its packagers say how long it stays; longer than this it does not.
    if (state === session.SessionState.ENDED)
      this.#setTimer(sessionId, ELSEWHERE_AFTER_END_MS, () => {
        this.#elsewhere.delete(sessionId);
        this.#timers.delete(sessionId);
        this.#noteForgotten(sessionId);
      });
  }

  /** The record has ended: the last rows are to come by a deadline. */
  #awaitEnd(window: SessionWindow): void {
    if (!window.isFinished) this.#setTimer(window.id, FINISH_DEADLINE_MS, () => window.finish());
  }

  /** Everything that the twins hold is held: it can be served. */
  onFilled(window: SessionWindow): void {
    if (this.#sessions.get(window.id) !== window) return;
    const isEmpty = [...window.renditions].length === 0;
    // It was over before this packager came, and nobody holds it any more.
    if (window.hasEnded && isEmpty) this.#forget(window);
    else if (window.hasEnded) this.#awaitEnd(window);
    this.arrivals.wake();
  }

  /** Whatever session is short of memory, what all of them may let go of by now makes room for it. */
  #letGoOfExpired(): void {
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
      isFilled: this.#residence === undefined,
    });
    this.#elsewhere.delete(id);
    this.#sessions.set(id, window);
    this.#residence?.onAdded(window);
    this.arrivals.wake();
    return window;
  }

  /** A session whose record does not come is let go, unless a worker publishes: the store may be down. */
  #awaitRecord(window: SessionWindow): void {
    this.#setTimer(window.id, ADOPTION_DEADLINE_MS, () => {
      if (window.record !== undefined) return;
      if (window.hasWriter) this.#awaitRecord(window);
      // Not as one that is over: its record may come with the store.
      else this.#remove(window);
    });
  }

  #onFinished(window: SessionWindow): void {
    this.#logger.info({ sessionId: window.id }, 'Session finished; its media stays for the window and H-8');
    this.#setTimer(window.id, window.retentionAfterEndMs, () => this.#forget(window));
  }

  #forget(window: SessionWindow): void {
    this.#remove(window);
    this.#noteForgotten(window.id);
    this.#logger.info({ sessionId: window.id, at: this.#clock() }, 'Session forgotten');
  }

  #remove(window: SessionWindow): void {
    this.#sessions.delete(window.id);
    clearTimeout(this.#timers.get(window.id));
    this.#timers.delete(window.id);
    window.clear();
    this.#residence?.onRemoved(window);
  }

  #noteForgotten(id: string): void {
    this.#forgotten.add(id);
    if (this.#forgotten.size > MAX_FORGOTTEN) {
      const [oldest] = this.#forgotten;
      if (oldest !== undefined) this.#forgotten.delete(oldest);
    }
  }

  /** One timer a session: a later step replaces the one before it. */
  #setTimer(id: string, delayMs: number, run: () => void): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.set(id, setTimeout(run, delayMs));
  }
}

function filling(sessionId: string): ServiceError {
  return new ServiceError(
    'UNAVAILABLE',
    'PACKAGER_FILLING',
    `This packager does not hold all of session ${sessionId} yet; ask another one, or again`,
  );
}
