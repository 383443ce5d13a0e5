import type { Logger, SessionChange, SessionStore } from '@millrace/runtime';

const RETRY_INTERVAL_MS = 250;
/** Changes that may wait for a store that does not answer; a session that opens periods faster loses the oldest of them. */
const MAX_WAITING = 256;

/**
 * Writes a session's changes to its record, in order and one at a time.
 *
 * Live media never waits for the store: what cannot be written is kept and tried again. Newer values of K replace older ones,
 * so that what waits stays small. When the token no longer holds the channel, `onLost` is called and what waits is written in
 * the name of the session's next publication.
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
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
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
        if (await this.#store.update(this.#channel, token, change)) continue;
        this.#putBack(change);
        if (this.#token === token) this.#token = undefined;
        this.#onLost(token);
      } catch (error) {
        this.#logger.warn(
          { err: error, channel: this.#channel },
          'The session record cannot be written; media goes on, trying again',
        );
        this.#putBack(change);
        await new Promise((resolve) => setTimeout(resolve, RETRY_INTERVAL_MS));
      }
    }
  }

  #putBack(change: SessionChange): void {
    if (!this.#hasEnded) this.#waiting.unshift(change);
  }
}
