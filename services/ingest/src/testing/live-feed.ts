import type { FlvTag } from '@millrace/media';
import type { Encoder } from './encoder.ts';

const SEND_INTERVAL_MS = 20;
/** What the feed repeats is this long. */
const LOOP_MS = 1000;

/** An encoder at work: sends a second of media again and again, in real time, and counts its pictures. */
export class LiveFeed {
  readonly #encoder: Encoder;
  readonly #media: readonly FlvTag[];
  readonly #timer: NodeJS.Timeout;
  readonly #startedMs = performance.now();
  #sent = 0;
  #pictures = 0;

  constructor(encoder: Encoder, tags: readonly FlvTag[]) {
    const isHeader = ({ type, body }: FlvTag): boolean => type === 'script' || body[1] !== 1;
    this.#encoder = encoder;
    this.#media = tags
      .filter((tag) => !isHeader(tag))
      .toSorted((left, right) => left.timestampMs - right.timestampMs);
    encoder.send(tags.filter((tag) => tag.type !== 'script' && tag.body[1] === 0));
    this.#send();
    this.#timer = setInterval(() => this.#send(), SEND_INTERVAL_MS);
  }

  /** Sends nothing more; returns how many pictures were sent. */
  stop(): number {
    clearInterval(this.#timer);
    return this.#pictures;
  }

  /** Sends everything whose time has come. */
  #send(): void {
    for (;;) {
      const offsetMs = Math.floor(this.#sent / this.#media.length) * LOOP_MS;
      const tag = this.#media[this.#sent % this.#media.length];
      if (tag === undefined || tag.timestampMs + offsetMs > performance.now() - this.#startedMs) return;
      this.#encoder.send([tag], offsetMs);
      this.#sent += 1;
      if (tag.type === 'video') this.#pictures += 1;
    }
  }
}
