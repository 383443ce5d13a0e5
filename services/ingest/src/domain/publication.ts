import type { Clock, EventEmitter, Logger } from '@millrace/runtime';
import type { LiveSession } from './session-directory.ts';
import { MediaInput } from './media-input.ts';

/** Why a publication ended, as `PublicationLost.reason` has it. */
export type LossReason =
  | 'closed'
  | 'no-media'
  | 'taken-over'
  | 'key-revoked'
  | 'protocol-error'
  | 'media-error'
  | 'store-lost'
  | 'shutdown';

/** What a publication is made from. */
export interface PublicationOptions {
  readonly live: LiveSession;
  readonly token: number;
  readonly streamKeyId: string;
  readonly isTakeover: boolean;
  readonly clock: Clock;
  readonly events: EventEmitter;
  readonly logger: Logger;
  /** Gives the channel up in the store. */
  readonly release: (publication: Publication) => void;
  /** Closes the encoder's connection with a status that people read. */
  readonly closeConnection: (reason: LossReason) => void;
}

/** One encoder's connection as it feeds a session. Ends once, whoever asks first. */
export class Publication {
  readonly live: LiveSession;
  readonly token: number;
  readonly streamKeyId: string;
  readonly #options: PublicationOptions;
  readonly #input = new MediaInput();
  #hasEnded = false;

  constructor(options: PublicationOptions) {
    this.live = options.live;
    this.token = options.token;
    this.streamKeyId = options.streamKeyId;
    this.#options = options;
    const { session, writer } = options.live;
    writer.token = options.token;
    session.take(
      session.timeline.beginPublication(options.clock(), options.isTakeover ? 'takeover' : 'reconnect'),
    );
  }

  get channel(): string {
    return this.live.session.channel.name;
  }

  /** Takes a video or audio message. Throws `ServiceError` for media that is malformed or of a codec that is not taken. */
  push(kind: 'video' | 'audio', timestampMs: number, body: Uint8Array): void {
    if (this.#hasEnded) return;
    const { session } = this.live;
    const { config, unit } = this.#input.push(kind, timestampMs, body);
    const nowMs = this.#options.clock();
    if (config !== undefined) session.take(session.timeline.configure(config, nowMs));
    if (unit !== undefined) session.take(session.timeline.push(unit, nowMs));
  }

  /** Takes what `onMetaData` says. */
  setMetadata(values: ReadonlyMap<string, unknown>): void {
    if (this.#hasEnded) return;
    const frameRate = values.get('framerate') ?? values.get('fps');
    this.live.session.timeline.setMetadata({
      frameRate: typeof frameRate === 'number' ? frameRate : undefined,
      hasVideo: isAnnounced(values, 'videocodecid', 'width'),
      hasAudio: isAnnounced(values, 'audiocodecid', 'audiosamplerate'),
    });
  }

  /** Lets deadlines of the timeline pass while nothing comes. */
  tick(nowMs: number): void {
    if (this.#hasEnded) return;
    const { session } = this.live;
    session.take(session.timeline.tick(nowMs));
  }

  /** Ends the publication: its period ends, the channel is given up, the connection is closed. */
  end(reason: LossReason): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const { clock, events, logger } = this.#options;
    const { session } = this.live;
    session.take(session.timeline.endPublication(clock()));
    events.emit({
      type: 'PublicationLost',
      data: { channel: this.channel, sessionId: session.id, token: this.token, reason },
    });
    logger.info({ sessionId: session.id, reason }, 'Publication ended');
    this.#options.release(this);
    this.#options.closeConnection(reason);
  }
}

/** An encoder without audio leaves the field out, or writes 0 or false. */
function isAnnounced(values: ReadonlyMap<string, unknown>, ...names: readonly string[]): boolean {
  return names.some((name) => {
    const value = values.get(name);
    return (typeof value === 'number' && value > 0) || (typeof value === 'string' && value !== '');
  });
}
