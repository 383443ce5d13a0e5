import type { Clock, Logger, PublishOutcome } from '@millrace/runtime';
import type { EncoderFeed, LossReason } from './encoder-feed.ts';
import type { EncoderMetadata } from './encoder-metadata.ts';
import { MediaInput } from './media-input.ts';
import type { Publication } from './publication.ts';
import { spliceWindow } from './splice-window.ts';
import type { SpliceWindow } from './splice-window.ts';
import { StandbyBuffer } from './standby-buffer.ts';

/** A claim that was granted. */
export type GrantedClaim = Extract<PublishOutcome, { kind: 'accepted' }>;

/** What an encoder that may have to stand by is built on. */
export interface StandbyEncoderOptions {
  readonly channel: string;
  readonly streamKeyId: string;
  /** Most bytes that are kept while it stands by. */
  readonly maxBytes: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Claims the channel, unless any encoder is on air. */
  readonly claim: () => Promise<PublishOutcome>;
  /** Gives a claim back that nobody wants any more. */
  readonly giveBack: (granted: GrantedClaim) => void;
  /** Puts it on air; `onEnd` is told when that is over. */
  readonly open: (granted: GrantedClaim, onEnd: (reason: LossReason) => void) => Publication;
  /** The feed has ended: whoever keeps it forgets it, and its connection is closed. */
  readonly onEnd: (encoder: StandbyEncoder, reason: LossReason) => void;
}

/**
 * One of the two encoders of a channel with a primary and a backup: on air, or standing by until the other one is gone.
 *
 * Standing by, its media are read and checked as if it were on air, and the last of them kept, so that it follows on the other
 * one with no more than a second missing, however long that one was gone before it was noticed. Its owner calls `tick` a few
 * times a second.
 */
export class StandbyEncoder implements EncoderFeed {
  readonly channel: string;
  readonly streamKeyId: string;
  readonly #options: StandbyEncoderOptions;
  readonly #input = new MediaInput();
  readonly #buffer: StandbyBuffer;
  #metadata: EncoderMetadata | undefined;
  #publication: Publication | undefined;
  /** On air, and waiting for the IDR to begin with: the first in this time, or else the last before. */
  #spliceWindow: SpliceWindow | undefined;
  #isClaiming = false;
  /** It was on air, and does not know yet who is now. */
  #wasReplaced = false;
  #hasEnded = false;

  constructor(options: StandbyEncoderOptions) {
    this.#options = options;
    this.channel = options.channel;
    this.streamKeyId = options.streamKeyId;
    this.#buffer = new StandbyBuffer(options.maxBytes);
  }

  get sessionId(): string | undefined {
    return this.#publication?.sessionId;
  }

  get isOnAir(): boolean {
    return this.#publication !== undefined;
  }

  /** Memory of what is kept while it stands by. */
  get bytes(): number {
    return this.#buffer.bytes;
  }

  push(kind: 'video' | 'audio', timestampMs: number, body: Uint8Array): void {
    if (this.#hasEnded) return;
    const result = this.#input.push(kind, timestampMs, body);
    const nowMs = this.#options.clock();
    if (this.#publication === undefined || this.#spliceWindow !== undefined) {
      if (result.malformed === undefined) this.#buffer.add(result, nowMs);
      this.#follow(nowMs);
      return;
    }
    this.#publication.take(result, nowMs);
    // For when it stands by again.
    if (result.config !== undefined) this.#buffer.add({ config: result.config }, nowMs);
  }

  setMetadata(metadata: EncoderMetadata): void {
    this.#metadata = metadata;
    this.#publication?.setMetadata(metadata);
  }

  end(reason: LossReason): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#buffer.clear();
    const publication = this.#publication;
    this.#publication = undefined;
    publication?.end(reason);
    this.#options.onEnd(this, reason);
  }

  /** Goes on air by a claim that was granted: what was kept comes first, with the times at which it came. */
  goOnAir(granted: GrantedClaim): void {
    const { clock, open } = this.#options;
    const nowMs = clock();
    this.#publication = open(granted, (reason) => this.#leftAir(reason));
    this.#wasReplaced = false;
    if (this.#metadata !== undefined) this.#publication.setMetadata(this.#metadata);
    this.#spliceWindow = spliceWindow(granted, nowMs);
    this.#follow(nowMs);
  }

  /** Lets time pass: goes on air if nobody is. */
  tick(): void {
    if (this.#hasEnded) return;
    if (this.#publication === undefined) void this.#tryAir();
    else {
      try {
        this.#follow(this.#options.clock());
      } catch {
        this.end('protocol-error');
      }
    }
  }

  /** Gives the publication what it begins with, once that is there. */
  #follow(nowMs: number): void {
    if (this.#publication === undefined || this.#spliceWindow === undefined) return;
    const { fromMs, untilMs } = this.#spliceWindow;
    if (nowMs < untilMs && !this.#buffer.canBeginBetween(fromMs, untilMs)) return;
    this.#spliceWindow = undefined;
    const inputs = this.#buffer.take(fromMs, untilMs);
    for (const { result, arrivalMs } of inputs) this.#publication.take(result, arrivalMs);
  }

  async #tryAir(): Promise<void> {
    if (this.#isClaiming) return;
    const { claim, giveBack, logger } = this.#options;
    this.#isClaiming = true;
    try {
      const outcome = await claim();
      if (outcome.kind === 'accepted') {
        if (this.#hasEnded) giveBack(outcome);
        else this.goOnAir(outcome);
      } else if (this.#wasReplaced && outcome.refusal !== 'standby') this.end('taken-over');
      this.#wasReplaced = false;
    } catch (error) {
      if (this.isOnAir) this.end('protocol-error');
      logger.debug(
        { err: error, channel: this.channel },
        'An encoder that stands by could not ask for the channel',
      );
    } finally {
      this.#isClaiming = false;
    }
  }

  #leftAir(reason: LossReason): void {
    this.#publication = undefined;
    this.#spliceWindow = undefined;
    if (this.#hasEnded) return;
    if (reason !== 'taken-over') this.end(reason);
    // By one of the other role, for which it steps back, or by one of its own, to which it has lost the channel.
    else this.#wasReplaced = true;
  }
}
