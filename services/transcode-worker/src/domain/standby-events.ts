import type { MillraceEvent } from '@millrace/contracts';
import type { EventEmitter } from '@millrace/runtime';

/** Segments whose events are kept: what the leader may not have told when it stopped. */
const MAX_KEPT = 32;

/** Events of a standby: it tells nothing while another worker leads, and then what that one did not come to. */
export class StandbyEvents implements EventEmitter {
  readonly #events: EventEmitter;
  readonly #segments: Extract<MillraceEvent, { type: 'SegmentPublished' }>[] = [];
  #isOnAir = false;

  constructor(events: EventEmitter) {
    this.#events = events;
  }

  emit(event: MillraceEvent): void {
    if (this.#isOnAir) this.#events.emit(event);
    else if (event.type === 'SegmentPublished') {
      this.#segments.push(event);
      if (this.#segments.length > MAX_KEPT) this.#segments.shift();
    }
  }

  /** Tells of the segments from one on, and of everything that comes. */
  goOnAir(fromK: number): void {
    this.#isOnAir = true;
    for (const event of this.#segments) if (event.data.k >= fromK) this.#events.emit(event);
    this.#segments.length = 0;
  }
}
