import type { TrackConfig } from '@millrace/media';
import type { MediaInputResult } from './media-input.ts';

/** One message of an encoder that stands by, as it was understood, and when it came. */
export interface StandbyInput {
  readonly result: MediaInputResult;
  readonly arrivalMs: number;
}

/** Longer than it takes to notice that an encoder on air is lost: 5 s without media, or a second without its ingest. */
const KEEP_MS = 8000;

/**
 * What an encoder that stands by has sent lately: always from an IDR on (or from any frame, where there is no video), with the
 * configurations that were in force there.
 *
 * Holds at least the last 8 s from the IDR before them, as far as `maxBytes` allows; beyond that the oldest GOPs go, and what
 * is left of one that is larger than that.
 */
export class StandbyBuffer {
  readonly #maxBytes: number;
  /** In force at the first input. */
  readonly #configs = new Map<TrackConfig['kind'], TrackConfig>();
  #inputs: StandbyInput[] = [];
  #bytes = 0;
  /** There is video, so that only an IDR is a place to begin at. */
  #hasVideo = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(result: MediaInputResult, arrivalMs: number): void {
    if (result.config?.kind === 'video') this.#hasVideo = true;
    if (this.#inputs.length === 0 && !this.#canBeginAt(result)) {
      if (result.config !== undefined) this.#configs.set(result.config.kind, result.config);
      return;
    }
    this.#inputs.push({ result, arrivalMs });
    this.#bytes += sizeOf(result);
    if (this.#canBeginAt(result)) this.#dropBefore(this.#lastBeginningAt(arrivalMs - KEEP_MS));
    while (this.#bytes > this.#maxBytes) this.#dropBefore(this.#secondBeginning());
  }

  /** Forgets all but the configurations in force now. */
  clear(): void {
    this.#dropBefore(this.#inputs.length);
  }

  /** Whether there is a place to begin at that came in this time. */
  canBeginBetween(fromMs: number, untilMs: number): boolean {
    return this.#beginningBetween(fromMs, untilMs) >= 0;
  }

  /**
   * Takes out what was sent from the first place to begin at in this time on, or else from the last before, or from the first
   * there is. Begins with the configurations in force.
   */
  take(fromMs: number, untilMs: number): readonly StandbyInput[] {
    const index = this.#beginningBetween(fromMs, untilMs);
    this.#dropBefore(index < 0 ? this.#lastBeginningAt(fromMs) : index);
    const [first] = this.#inputs;
    if (first === undefined) return this.#configurations(untilMs);
    const taken = [...this.#configurations(first.arrivalMs), ...this.#inputs];
    this.clear();
    return taken;
  }

  #beginningBetween(fromMs: number, untilMs: number): number {
    return this.#inputs.findIndex(
      ({ result, arrivalMs }) => arrivalMs >= fromMs && arrivalMs <= untilMs && this.#canBeginAt(result),
    );
  }

  #configurations(arrivalMs: number): readonly StandbyInput[] {
    return [...this.#configs.values()].map((config) => ({ result: { config }, arrivalMs }));
  }

  #canBeginAt({ unit }: MediaInputResult): boolean {
    if (unit === undefined) return false;
    return unit.kind === 'video' ? unit.isRandomAccess : !this.#hasVideo;
  }

  /** Index of the last place to begin at that came no later; 0 if there is none. */
  #lastBeginningAt(untilMs: number): number {
    const index = this.#inputs.findLastIndex(
      ({ result, arrivalMs }) => arrivalMs <= untilMs && this.#canBeginAt(result),
    );
    return Math.max(0, index);
  }

  #secondBeginning(): number {
    const index = this.#inputs.findIndex(({ result }, at) => at > 0 && this.#canBeginAt(result));
    return index < 0 ? this.#inputs.length : index;
  }

  #dropBefore(index: number): void {
    for (const { result } of this.#inputs.slice(0, index)) {
      this.#bytes -= sizeOf(result);
      if (result.config !== undefined) this.#configs.set(result.config.kind, result.config);
    }
    this.#inputs = this.#inputs.slice(index);
  }
}

/** An input of no bytes is memory as well. */
function sizeOf({ unit }: MediaInputResult): number {
  return 256 + (unit?.data.length ?? 0);
}
