import type { session } from '@millrace/contracts';

/** How long an output may be silent. */
export interface WatchdogLimits {
  /** Ms of silence while input waits that mean a stall. */
  readonly stallMs: number;
  /** The same until the first output of a run: the encoder has to start. */
  readonly startMs: number;
  /** Seconds of media that may be inside ffmpeg without anything being wrong: lookahead and held frames. */
  readonly latencySeconds: number;
}

/** An output that is watched: the kind of its input, and the media time at which it begins. */
export interface WatchedOutput {
  readonly kind: session.TrackKind;
  readonly startSeconds: number;
}

interface OutputProgress {
  readonly kind: session.TrackKind;
  seconds: number;
  hasBegun: boolean;
  /** When input that it owes was first there, or when it last advanced while it still owed some. */
  owesSinceMs: number | undefined;
}

/**
 * Tells a hung transcoder from one that has nothing to do.
 *
 * An output is stalled when its input is further on than the encoder's own latency explains, and has been for longer than the
 * limit without any progress. How late an output is, is measured the same way: in media time, so that an encoder that sends
 * in bursts is not mistaken for a slow transcoder.
 */
export class OutputWatchdog {
  readonly #limits: WatchdogLimits;
  readonly #outputs: readonly OutputProgress[];
  readonly #inputSeconds = new Map<session.TrackKind, number>();

  constructor(outputs: readonly WatchedOutput[], limits: WatchdogLimits) {
    this.#limits = limits;
    this.#outputs = outputs.map(({ kind, startSeconds }) => ({
      kind,
      seconds: startSeconds,
      hasBegun: false,
      owesSinceMs: undefined,
    }));
  }

  /** Input of one kind up to this media time is there. */
  noteInput(nowMs: number, kind: session.TrackKind, seconds: number): void {
    if (seconds <= (this.#inputSeconds.get(kind) ?? 0)) return;
    this.#inputSeconds.set(kind, seconds);
    for (const output of this.#outputs) {
      if (output.kind === kind && output.owesSinceMs === undefined && this.#debtSeconds(output) > 0)
        output.owesSinceMs = nowMs;
    }
  }

  /** Output `index` has media up to this time. */
  noteOutput(nowMs: number, index: number, seconds: number): void {
    const output = this.#outputs[index];
    if (output === undefined) return;
    output.hasBegun = true;
    output.seconds = Math.max(output.seconds, seconds);
    output.owesSinceMs = this.#debtSeconds(output) > 0 ? nowMs : undefined;
  }

  /** True when an output is stalled. */
  isStalled(nowMs: number): boolean {
    return this.#outputs.some((output) => this.#isOutputStalled(output, nowMs));
  }

  /** The kinds of the outputs that are stalled. */
  stalledKinds(nowMs: number): ReadonlySet<session.TrackKind> {
    const stalled = this.#outputs.filter((output) => this.#isOutputStalled(output, nowMs));
    return new Set(stalled.map(({ kind }) => kind));
  }

  #isOutputStalled({ hasBegun, owesSinceMs }: OutputProgress, nowMs: number): boolean {
    const limitMs = hasBegun ? this.#limits.stallMs : this.#limits.startMs;
    return owesSinceMs !== undefined && nowMs - owesSinceMs > limitMs;
  }

  /** How late the slowest output is, beyond the encoder's own latency, in ms. */
  get lateMs(): number {
    let late = 0;
    for (const output of this.#outputs) late = Math.max(late, this.#debtSeconds(output));
    return late * 1000;
  }

  /** Media that the encoder's latency does not explain; negative when there is none. */
  #debtSeconds(output: OutputProgress): number {
    const input = this.#inputSeconds.get(output.kind);
    return input === undefined ? 0 : input - output.seconds - this.#limits.latencySeconds;
  }
}
