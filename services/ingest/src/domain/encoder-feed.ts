import type { EncoderMetadata } from './encoder-metadata.ts';

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

/** Where the media of one encoder's connection go, on air or standing by. */
export interface EncoderFeed {
  /** The session that the media are in; `undefined` while they are in none. */
  readonly sessionId: string | undefined;
  readonly channel: string;
  readonly streamKeyId: string;
  /**
   * Takes a video or audio message. Throws `ServiceError` for media that is malformed or of a codec that is not taken, and for
   * more of it than a publication may send.
   */
  push(kind: 'video' | 'audio', timestampMs: number, body: Uint8Array): void;
  setMetadata(metadata: EncoderMetadata): void;
  /** Ends it once, whoever asks first; never throws. */
  end(reason: LossReason): void;
}
