/** Why a wait ended. */
export type WaitEnd =
  /** What was waited for is there. */
  | 'ready'
  /** The deadline passed. */
  | 'deadline'
  /** The room was closed: the session is forgotten, or the process stops. */
  | 'closed';

interface Waiter {
  readonly isReady: () => boolean;
  readonly end: (how: WaitEnd) => void;
}

/** Waits of one kind that may be open at once over all rooms, so that held requests cannot fill the memory. */
export class WaiterLimit {
  readonly #max: number;
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Waits that are open. */
  get count(): number {
    return this.#count;
  }

  /** Takes a place; false when there is none. */
  enter(): boolean {
    if (this.#count >= this.#max) return false;
    this.#count += 1;
    return true;
  }

  /** Gives a place back. */
  leave(): void {
    this.#count -= 1;
  }
}

/** Those who wait for something to happen to one session. Woken when it happens; nobody polls. */
export class WaitingRoom {
  readonly #limit: WaiterLimit;
  readonly #waiters = new Set<Waiter>();
  #isClosed = false;

  constructor(limit: WaiterLimit) {
    this.#limit = limit;
  }

  /** True once nobody may wait here any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Calls `onEnd` once: when `isReady` is true at a `wake`, after `deadlineMs`, or when the room is closed.
   *
   * Returns a function that gives the wait up, after which `onEnd` is not called; `undefined` when there is no place left, in
   * the room's limit or in the one that is given.
   */
  wait(
    isReady: () => boolean,
    deadlineMs: number,
    onEnd: (how: WaitEnd) => void,
    limit: WaiterLimit = this.#limit,
  ): (() => void) | undefined {
    if (this.#isClosed || !limit.enter()) return undefined;
    const leave = (): boolean => {
      clearTimeout(timer);
      if (!this.#waiters.delete(waiter)) return false;
      limit.leave();
      return true;
    };
    const waiter: Waiter = {
      isReady,
      end: (how) => {
        if (leave()) onEnd(how);
      },
    };
    const timer = setTimeout(() => waiter.end('deadline'), deadlineMs);
    this.#waiters.add(waiter);
    return () => void leave();
  }

  /** Something happened: ends the waits that it was for. */
  wake(): void {
    for (const waiter of this.#waiters) if (waiter.isReady()) waiter.end('ready');
  }

  /** Ends every wait; later ones are refused. */
  close(): void {
    this.#isClosed = true;
    for (const waiter of this.#waiters) waiter.end('closed');
  }
}
