import type { Clock, PublishClaim } from '@millrace/runtime';
import type { EncoderMetadata } from './encoder-metadata.ts';
import { MediaInput } from './media-input.ts';
import type { PublicationLimits } from './publication-limits.ts';
import type { LiveSession } from './session-directory.ts';

/** Why a publication ended, as `PublicationLost.reason` has it. */
export type LossReason =
  | 'closed'
  | 'no-media'
  | 'taken-over'
  | 'key-revoked'
  | 'channel-disabled'
  | 'protocol-error'
  | 'limit'
  | 'shutdown';

/** What a publication is made from. */
export interface PublicationOptions {
  readonly live: LiveSession;
  readonly token: number;
  readonly streamKeyId: string;
  readonly claim: PublishClaim;
  readonly isTakeover: boolean;
  readonly limits: PublicationLimits;
  readonly clock: Clock;
  /**
   * The publication has ended: gives the channel up, and closes the encoder's connection with a status that people read;
   * `failure` is what went wrong with ending its period.
   */
  readonly onEnd: (publication: Publication, reason: LossReason, failure: unknown) => void;
}

/** One encoder's connection as it feeds a session. Ends once, whoever asks first. */
export class Publication {
  readonly live: LiveSession;
  readonly streamKeyId: string;
  readonly claim: PublishClaim;
  readonly #onEnd: PublicationOptions['onEnd'];
  readonly #limits: PublicationLimits;
  readonly #clock: Clock;
  readonly #input = new MediaInput();
  #token: number;
  #newestOrdinal: number;
  #hasEnded = false;

  constructor(options: PublicationOptions) {
    this.live = options.live;
    this.streamKeyId = options.streamKeyId;
    this.claim = options.claim;
    this.#token = options.token;
    this.#onEnd = options.onEnd;
    this.#limits = options.limits;
    this.#clock = options.clock;
    this.#newestOrdinal = options.live.session.media.newestOrdinal;
    options.live.session.beginPublication(options.isTakeover ? 'takeover' : 'reconnect');
  }

  get channel(): string {
    return this.claim.channel;
  }

  /** Fencing token. */
  get token(): number {
    return this.#token;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** The store has given the publication another token. */
  renewed(token: number): void {
    this.#token = token;
    this.live.writer.token = token;
  }

  /**
   * Takes a video or audio message. Throws `ServiceError` for media that is malformed or of a codec that is not taken, and for
   * more of it than a publication may send.
   */
  push(kind: 'video' | 'audio', timestampMs: number, body: Uint8Array): void {
    if (this.#hasEnded) return;
    const { session } = this.live;
    const { config, unit, malformed } = this.#input.push(kind, timestampMs, body);
    const before = this.#newestOrdinal;
    let units = 0;
    if (config !== undefined) units += session.configure(config);
    if (unit !== undefined) units += session.push(unit);
    this.#newestOrdinal = session.media.newestOrdinal;
    this.#limits.take({ units, periods: this.#newestOrdinal - before }, this.#clock());
    if (malformed !== undefined)
      session.warn('INGEST_MEDIA_MALFORMED', `Malformed and left out: ${malformed}`);
  }

  setMetadata(metadata: EncoderMetadata): void {
    if (!this.#hasEnded) this.live.session.setMetadata(metadata);
  }

  /** Ends the publication and its period; never throws. */
  end(reason: LossReason): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    let failure: unknown;
    try {
      this.live.session.endPublication();
    } catch (error) {
      failure = error;
    }
    this.#onEnd(this, reason, failure);
  }
}
