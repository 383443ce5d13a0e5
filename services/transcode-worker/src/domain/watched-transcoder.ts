import { session } from '@millrace/contracts';
import type { relay } from '@millrace/contracts';
import { trackOf } from './attempt-plan.ts';
import type { AttemptPlan } from './attempt-plan.ts';
import { encoderLatencySeconds } from './encoder-latency.ts';
import type { TranscodePlan } from './ffmpeg-arguments.ts';
import { OutputWatchdog } from './output-watchdog.ts';
import type { SessionContext } from './session-context.ts';
import type { Transcoder, TranscoderExit, TranscoderListener } from './transcoder.ts';

/** One ffmpeg with the watchdog over its outputs: what goes in is noted, and what comes out is. */
export class WatchedTranscoder {
  /** Resolves when the process is gone. */
  readonly exited: Promise<TranscoderExit>;
  readonly #context: SessionContext;
  readonly #transcoder: Transcoder;
  readonly #watchdog: OutputWatchdog;
  readonly #outputTimescales: readonly number[];
  readonly #trackIds: ReadonlySet<number>;
  /** How long a run that has all its input may be silent, in ms. */
  readonly #flushMs: number;
  #lastActivityMs: number;
  #isInputOver = false;

  /** Starts it; `patience`: how many times longer than usual its outputs may be silent. */
  constructor(
    context: SessionContext,
    options: {
      readonly plan: AttemptPlan;
      readonly transcode: TranscodePlan;
      readonly period: session.Period;
      readonly patience: number;
      readonly listener: TranscoderListener;
    },
  ) {
    const { plan, transcode, period, patience } = options;
    const { config, grid } = context;
    this.#context = context;
    this.#flushMs = config.watchdog.startMs * patience;
    const audioTrack = transcode.audio === undefined ? undefined : trackOf(period, session.TrackKind.AUDIO);
    const tracks = [transcode.videoTrack, audioTrack].filter((track) => track !== undefined);
    this.#trackIds = new Set(tracks.map(({ trackId }) => trackId));
    this.#outputTimescales = plan.encoded.map(({ rendition }) => rendition.timescale);
    this.#watchdog = new OutputWatchdog(
      plan.encoded.map(({ rendition, first }) => ({
        kind: rendition.kind,
        startSeconds: grid.startTicksOf(first, rendition.timescale) / rendition.timescale,
      })),
      {
        stallMs: config.watchdog.stallMs * patience,
        startMs: config.watchdog.startMs * patience,
        latencySeconds: encoderLatencySeconds(transcode),
      },
    );
    this.#lastActivityMs = context.clock();
    this.#transcoder = context.startTranscoder(transcode, audioTrack, options.listener);
    this.exited = this.#transcoder.exited;
  }

  /** How late the slowest output is, beyond the encoder's own latency, in ms. */
  get lateMs(): number {
    return this.#watchdog.lateMs;
  }

  /** True once more input waits than may: `drained` says when it may go on. */
  get isFull(): boolean {
    return this.#transcoder.queuedBytes > this.#context.config.ffmpeg.maxQueuedBytes;
  }

  /** Resolves when no input waits, or the process is gone. */
  drained(): Promise<void> {
    return this.#transcoder.drained();
  }

  /** Notes that input of a kind is there up to a media time, without handing it over. */
  noteInput(nowMs: number, kind: session.TrackKind, seconds: number): void {
    this.#watchdog.noteInput(nowMs, kind, seconds);
  }

  /** Notes a sample of an output. */
  noteOutput(nowMs: number, output: number, dts: number): void {
    this.#lastActivityMs = nowMs;
    this.#watchdog.noteOutput(nowMs, output, dts / (this.#outputTimescales[output] ?? 1));
  }

  /** Hands over the access units of the tracks that are encoded. */
  write(fragments: readonly relay.Fragment[]): void {
    this.#transcoder.write(fragments.filter(({ trackId }) => this.#trackIds.has(trackId)));
  }

  /** There is no more input: it finishes what it has and exits. */
  end(): void {
    this.#isInputOver = true;
    this.#lastActivityMs = this.#context.clock();
    this.#transcoder.end();
  }

  /** Kills it at once. */
  kill(): void {
    this.#transcoder.kill();
  }

  /** The kinds of the outputs that owe media for too long. */
  stalledKinds(nowMs: number): ReadonlySet<session.TrackKind> {
    return this.#watchdog.stalledKinds(nowMs);
  }

  /** True when an output owes media for too long, or the last of it does not come. */
  isStalled(nowMs: number): boolean {
    const isFlushStalled = this.#isInputOver && nowMs - this.#lastActivityMs > this.#flushMs;
    return isFlushStalled || this.#watchdog.isStalled(nowMs);
  }
}
