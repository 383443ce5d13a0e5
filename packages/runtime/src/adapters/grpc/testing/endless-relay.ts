import type { relay } from '@millrace/contracts';
import type { MediaRelay } from '../../../ports/media-relay.ts';

/** A relay that has a message of a certain size as soon as one is asked for, without end. */
export class EndlessRelay implements MediaRelay {
  readonly messageBytes: number;
  /** Messages that were taken from it. */
  given = 0;
  /** Subscriptions that were begun and not ended. */
  active = 0;
  readonly #maxMessages: number;

  constructor({ messageBytes = 256 * 1024, maxMessages = Number.POSITIVE_INFINITY } = {}) {
    this.messageBytes = messageBytes;
    this.#maxMessages = maxMessages;
  }

  async *subscribe(
    _request: relay.SubscribeRequest,
    signal: AbortSignal,
  ): AsyncIterable<relay.SubscribeResponse> {
    this.active += 1;
    try {
      while (!signal.aborted && this.given < this.#maxMessages) {
        this.given += 1;
        yield fragmentsOf(this.given, this.messageBytes);
      }
    } finally {
      this.active -= 1;
    }
  }

  /** Never answers. */
  async openPeriod(): Promise<relay.OpenPeriodResponse> {
    return new Promise(() => undefined);
  }
}

function fragmentsOf(dts: number, bytes: number): relay.SubscribeResponse {
  const fragment = {
    ...{ trackId: 1, dts, compositionOffset: 0, duration: 1, isRandomAccess: true, isFiller: false },
    data: Buffer.alloc(bytes),
  };
  return { payload: { $case: 'fragments', value: { fragments: [fragment] } } };
}
