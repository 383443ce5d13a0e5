import { RtmpError } from '../rtmp-error.ts';

const BURST = 1000;
const PER_SECOND = 200;

/**
 * Limits the messages that cost us more than their sender: control, commands, and media without content.
 *
 * A bucket of 1000 that fills by 200 per second; a real encoder sends a few per second.
 */
export class FloodGate {
  #left = BURST;
  #lastMs: number;

  constructor(nowMs: number) {
    this.#lastMs = nowMs;
  }

  /** Takes one from the bucket; throws `CONTROL_FLOOD` when it is empty. */
  pass(nowMs: number, offset: number): void {
    const elapsedMs = Math.max(0, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    this.#left = Math.min(BURST, this.#left + (elapsedMs * PER_SECOND) / 1000) - 1;
    if (this.#left < 0) {
      throw new RtmpError('CONTROL_FLOOD', offset, `more than ${PER_SECOND} control messages per second`);
    }
  }
}
