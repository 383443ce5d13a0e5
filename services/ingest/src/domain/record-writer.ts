import type { Logger, SessionChange, SessionStore } from '@millrace/runtime';

/**
 * Writes a session's changes to its record, in order and one at a time.
 *
 * Live media never waits for the store: what cannot be written is kept and tried again. Newer values of K replace older ones,
 * so that what waits stays small. `onLost` is called when a newer publication holds the channel.
 */
export class RecordWriter {
  readonly #store: Pick<SessionStore, 'update'>;
  readonly #logger: Logger;
  readonly #channel: string;
  readonly #onLost: (token: number) => void;
  #token = 0;
  #waiting: SessionChange[] = [];
  #isWriting = false;

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
  }

  write(change: SessionChange): void {
    const last = this.#waiting.at(-1);
    const isOnlyK =
      change.openPeriod === undefined && change.endPeriod === undefined && change.presentation === undefined;
    if (last !== undefined && isOnlyK) this.#waiting[this.#waiting.length - 1] = { ...last, ...change };
    else this.#waiting.push(change);
    if (!this.#isWriting) void this.#drain();
  }

  /** Resolves when everything was written or refused. */
  async settled(): Promise<void> {
    while (this.#isWriting) await new Promise((resolve) => setImmediate(resolve));
  }

  async #drain(): Promise<void> {
    this.#isWriting = true;
    for (;;) {
      const [change] = this.#waiting;
      if (change === undefined) break;
      this.#waiting.shift();
      try {
        const token = this.#token;
        if (!(await this.#store.update(this.#channel, token, change))) this.#onLost(token);
      } catch (error) {
        this.#logger.warn(
          { err: error, channel: this.#channel },
          'The session record cannot be written; trying again',
        );
        this.#waiting.unshift(change);
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }
    this.#isWriting = false;
  }
}
