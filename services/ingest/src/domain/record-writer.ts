import { jittered } from '@millrace/runtime';
import type { Logger, SessionChange, SessionStore } from '@millrace/runtime';
import { withDeadline } from './deadline.ts';

const UPDATE_DEADLINE_MS = 1000;
const RETRY_INTERVAL_MS = 250;
/**
 * Changes that may wait for a store that does not answer. A record keeps its 64 newest periods, each of which has a beginning and
 * an end: what is dropped here is of a period that the record would not keep either.
 */
const MAX_WAITING = 2 * 64 + 2;

/**
 * Writes a session's changes to its record, in order and one at a time.
 *
 * Live media never waits for the store: what is not written within a second is kept and tried again, four times a second, until
 * the session is over. A change whose answer was lost is written twice, which is harmless: periods go by their ordinals, the
 * presentation is fixed once, K does not step back. Newer values of K replace older ones, so that what waits stays small. When
 * the token no longer holds the channel, `onLost` is called and what waits is written in the name of the session's next
 * publication.
 */
export class RecordWriter {
  readonly #store: Pick<SessionStore, 'update'>;
  readonly #logger: Logger;
  readonly #channel: string;
  readonly #onLost: (token: number) => void;
  #token: number | undefined;
  #waiting: SessionChange[] = [];
  #writing: Promise<void> | undefined;
  #hasEnded = false;
  /** Tries in a row that failed. */
  #failures = 0;

  constructor(options: {
    readonly store: Pick<SessionStore, 'update'>;
    readonly logger: Logger;
    readonly channel: string;
    readonly onLost: (token: number) => void;
  }) {
    this.#store = options.store;
    this.#logger = options.logger;
    this.#channel = options.channel;
    this.#onLost = options.onLost;
  }

  /** The publication in whose name is written from now on. */
  set token(token: number) {
    this.#token = token;
    this.#start();
  }

  write(change: SessionChange): void {
    if (this.#hasEnded) return;
    const last = this.#waiting.at(-1);
    const isOnlyK =
      change.openPeriod === undefined && change.endPeriod === undefined && change.presentation === undefined;
    if (last !== undefined && isOnlyK) this.#waiting[this.#waiting.length - 1] = { ...last, ...change };
    else this.#waiting.push(change);
    if (this.#waiting.length > MAX_WAITING) this.#dropOldestOfPeriods();
    this.#start();
  }

  /** Resolves when everything was written, or cannot be in the name of the current token, or the signal is aborted. */
  async settled(signal: AbortSignal): Promise<void> {
    const { promise: aborted, resolve } = Promise.withResolvers<void>();
    const onAbort = (): void => resolve();
    signal.addEventListener('abort', onAbort);
    while (this.#writing !== undefined && !signal.aborted) await Promise.race([this.#writing, aborted]);
    signal.removeEventListener('abort', onAbort);
  }

  /** The session is over: nothing more is written. */
  end(): void {
    this.#hasEnded = true;
    this.#waiting = [];
  }

  #start(): void {
    if (this.#writing !== undefined || this.#token === undefined || this.#waiting.length === 0) return;
    this.#writing = this.#drain().finally(() => {
      this.#writing = undefined;
      // What came for another token while the last answer was under way.
      this.#start();
    });
  }

  async #drain(): Promise<void> {
    for (;;) {
      const token = this.#token;
      const change = this.#waiting[0];
      if (change === undefined || token === undefined) return;
      this.#waiting.shift();
      try {
        const isHeld = await withDeadline(
          this.#store.update(this.#channel, token, change),
          UPDATE_DEADLINE_MS,
        );
        this.#noteAnswer();
        if (isHeld) continue;
        this.#putBack(change);
        if (this.#token === token) this.#token = undefined;
        this.#onLost(token);
      } catch (error) {
        this.#noteFailure(error);
        this.#putBack(change);
        await new Promise((resolve) => setTimeout(resolve, jittered(RETRY_INTERVAL_MS)));
      }
    }
  }

  #putBack(change: SessionChange): void {
    if (!this.#hasEnded) this.#waiting.unshift(change);
  }

  #dropOldestOfPeriods(): void {
    const oldest = this.#waiting.findIndex(({ presentation }) => presentation === undefined);
    this.#waiting.splice(oldest, 1);
  }

  #noteFailure(error: unknown): void {
    this.#failures += 1;
    if (this.#failures > 1) return;
    this.#logger.warn(
      { err: error, channel: this.#channel },
      'The session record cannot be written; media goes on, it is tried again until it succeeds, which is logged',
    );
  }

  #noteAnswer(): void {
    if (this.#failures === 0) return;
    this.#logger.info(
      { channel: this.#channel, failures: this.#failures },
      'The session record is written again',
    );
    this.#failures = 0;
  }
}
