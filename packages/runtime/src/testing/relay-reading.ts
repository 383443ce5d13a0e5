import type { relay, session } from '@millrace/contracts';

type Payload = NonNullable<relay.SubscribeResponse['payload']>;

/** What a subscription has given so far. */
export interface RelayRead {
  /** The kinds of message in the order in which they came. */
  readonly kinds: readonly Payload['$case'][];
  readonly period: session.Period | undefined;
  readonly fragments: readonly relay.Fragment[];
  /** Each fragment with the newest segment whose wall clock had come before it. */
  readonly seen: readonly { readonly fragment: relay.Fragment; readonly newestK: number | undefined }[];
  /** Video that came, in seconds. */
  readonly videoSeconds: number;
  readonly end: relay.EndReason | undefined;
}

/** Reads one subscription, message by message, and keeps what came. */
export class RelayReading {
  readonly #messages: AsyncIterator<relay.SubscribeResponse>;
  readonly #kinds: Payload['$case'][] = [];
  readonly #fragments: relay.Fragment[] = [];
  readonly #seen: { readonly fragment: relay.Fragment; readonly newestK: number | undefined }[] = [];
  #period: session.Period | undefined;
  #newestK: number | undefined;
  #videoTicks = 0;
  #end: relay.EndReason | undefined;

  constructor(messages: AsyncIterable<relay.SubscribeResponse>) {
    this.#messages = messages[Symbol.asyncIterator]();
  }

  /** The next message; `undefined` when there is none any more. */
  async next(): Promise<Payload | undefined> {
    const result = await this.#messages.next();
    const payload = result.done === true ? undefined : result.value.payload;
    if (payload !== undefined) this.#keep(payload);
    return payload;
  }

  /** Reads until the condition holds. Throws when the subscription ends before. */
  async until(holds: (read: RelayRead) => boolean): Promise<RelayRead> {
    while (!holds(this.#read())) {
      if ((await this.next()) === undefined)
        throw new Error(`the subscription is over: ${this.#kinds.join()}`);
    }
    return this.#read();
  }

  /** Reads to the end. */
  async toEnd(): Promise<RelayRead> {
    while ((await this.next()) !== undefined);
    return this.#read();
  }

  /** Leaves the iteration, as `break` does. */
  async leave(): Promise<void> {
    await this.#messages.return?.();
  }

  #keep(payload: Payload): void {
    this.#kinds.push(payload.$case);
    switch (payload.$case) {
      case 'period':
        this.#period = payload.value;
        break;
      case 'wallClock':
        this.#newestK = payload.value.k;
        break;
      case 'fragments':
        for (const fragment of payload.value.fragments) {
          this.#fragments.push(fragment);
          this.#seen.push({ fragment, newestK: this.#newestK });
          if (fragment.trackId === 1) this.#videoTicks += fragment.duration;
        }
        break;
      case 'end':
        this.#end = payload.value.reason;
        break;
    }
  }

  #read(): RelayRead {
    return {
      kinds: this.#kinds,
      period: this.#period,
      fragments: this.#fragments,
      seen: this.#seen,
      videoSeconds: this.#videoTicks / 90_000,
      end: this.#end,
    };
  }
}
