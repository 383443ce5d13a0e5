import type { ManualClock } from '@millrace/testkit';
import type { IngestSession } from '../domain/ingest-session.ts';
import { MediaInput } from '../domain/media-input.ts';
import { readFlv } from './encoder.ts';

/** One second of H.264 with B-frames at 30 fps, GOP 15, and AAC at 48 kHz. */
const SECOND = readFlv(new URL('../../../../packages/media/src/testdata/b-frames.flv', import.meta.url));

/** One publication as an encoder sends it, second by second, as long as they take on a manual clock. */
export class SessionFeed {
  readonly #session: IngestSession;
  readonly #clock: ManualClock;
  readonly #input = new MediaInput();
  #sentSeconds = 0;

  constructor(session: IngestSession, clock: ManualClock) {
    this.#session = session;
    this.#clock = clock;
    session.beginPublication('reconnect');
  }

  /** Sends the next second of it, or of the named kind only. */
  sendSecond(only?: 'video'): void {
    const startMs = this.#clock.now();
    for (const { type, timestampMs, body } of SECOND) {
      if (type === 'script' || (only !== undefined && type !== only)) continue;
      this.#clock.advance(startMs + timestampMs - this.#clock.now());
      const { config, unit } = this.#input.push(type, timestampMs + this.#sentSeconds * 1000, body);
      if (config !== undefined) this.#session.configure(config, this.#clock.now());
      if (unit !== undefined) this.#session.push(unit, this.#clock.now());
    }
    this.#clock.advance(startMs + 1000 - this.#clock.now());
    this.#session.tick(this.#clock.now());
    this.#sentSeconds += 1;
  }
}
