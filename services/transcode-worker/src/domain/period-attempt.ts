import { relay, session } from '@millrace/contracts';
import type { sink } from '@millrace/contracts';
import type { InitTrack } from '@millrace/media';
import { AttemptLanes } from './attempt-lanes.ts';
import type { LaneListener } from './attempt-lanes.ts';
import { planAttempt, trackOf } from './attempt-plan.ts';
import type { Lane } from './attempt-plan.ts';
import type { SheddingDecision } from './ladder-shedding.ts';
import { withDeadline } from './deadline.ts';
import { InputGate } from './input-gate.ts';
import type { InputFault } from './input-gate.ts';
import type { GapCause } from './lane-output.ts';
import type { MediaSample } from './media-sample.ts';
import type { SessionContext } from './session-context.ts';
import type { TranscoderListener } from './transcoder.ts';
import { colorOf } from './video-color.ts';
import { WatchedTranscoder } from './watched-transcoder.ts';

/** How an attempt at a period ended. */
export type AttemptOutcome =
  /** All media up to the end of the subscription came out. */
  | { readonly kind: 'ended'; readonly reason: relay.EndReason }
  /** The transcoder is to be started again where its output ends. */
  | {
      readonly kind: 'failed';
      readonly reason: 'exit' | 'stalled' | 'assertion' | 'input';
      readonly detail: string;
      /** The kinds of media that it is about; unset when that cannot be told. */
      readonly kinds?: ReadonlySet<session.TrackKind>;
    }
  /** The set of encoded rungs changes. */
  | { readonly kind: 'changed' }
  /** The init segment is not the one that was fixed for the period. */
  | { readonly kind: 'init-differs'; readonly renditionId: string }
  /** The subscription failed. */
  | { readonly kind: 'relay-failed'; readonly error: unknown }
  | { readonly kind: 'aborted' };

/** What an attempt is told and whom it tells. */
export interface AttemptOptions {
  readonly ordinal: number;
  /** Where the subscription begins; unset at the period's start. */
  readonly fromTicks: number | undefined;
  /** The period as ingest has it; answers the first part of each rendition to make. */
  readonly begin: (period: session.Period) => ReadonlyMap<string, sink.Position>;
  /** Judges how late the output is. */
  readonly observeLateness: (lateMs: number) => SheddingDecision | undefined;
  /** Called with the decode time of every access unit that was read of the track that decides where the period ends. */
  readonly onInput: (dts: number, timescale: number) => void;
  /** The last segment of the period as far as it was read. */
  readonly lastK: () => number;
  /** Every encoded rendition has made a part, and another part with media was published. */
  readonly onProgress: () => void;
  readonly onSegmentLost: (renditionId: string, k: number, cause: GapCause) => void;
  /** The subscription has not failed for a while. */
  readonly onRelayAlive: () => void;
  /** How many times longer than usual outputs may be silent. */
  readonly patience: number;
}

const TICK_MS = 100;
/** A subscription that lasts this long works. */
const RELAY_ALIVE_MS = 1000;
/** How long the end of an attempt waits for its subscription and its ffmpeg, both told to end at once. */
const END_DEADLINE_MS = 2000;

/**
 * One attempt at a period: one subscription, at most one ffmpeg, parts to the packager; until the period ends or something
 * calls for another attempt.
 *
 * Owns the subscription, the ffmpeg and a timer, and has ended all three when `run` returns.
 */
export class PeriodAttempt implements TranscoderListener, LaneListener {
  readonly #context: SessionContext;
  readonly #options: AttemptOptions;
  readonly #abort = new AbortController();
  readonly #outcome = Promise.withResolvers<AttemptOutcome>();
  #isOver = false;
  #period: session.Period | undefined;
  #positions: ReadonlyMap<string, sink.Position> = new Map();
  /** Access units that were read before the plan was known. */
  #unplanned: relay.Fragment[] = [];
  #unplannedBytes = 0;
  #lanes: AttemptLanes | undefined;
  #gate: InputGate | undefined;
  readonly #seenFaults = new Set<InputFault>();
  #startedMs = 0;
  #leadingTrack: session.Track | undefined;
  #transcoder: WatchedTranscoder | undefined;
  #isInputOver = false;
  #hasMedia = false;
  /** The outputs of ffmpeg. */
  #encoded: readonly Lane[] = [];
  /** Encoded renditions that have not made a part yet. */
  readonly #silent: Set<string>;
  #pendingChange: { readonly decision: SheddingDecision; readonly lateMs: number } | undefined;

  constructor(context: SessionContext, options: AttemptOptions) {
    this.#context = context;
    this.#options = options;
    const encoded = context.presentation.renditions.filter(({ isPassthrough }) => !isPassthrough);
    this.#silent = new Set(encoded.map(({ id }) => id));
  }

  /** Encoded renditions that were to be made and of which nothing came out. */
  get silent(): ReadonlySet<string> {
    return this.#silent;
  }

  /** A change of the ladder that was decided and waits for a boundary; it holds however the attempt ends. */
  get pendingChange(): { readonly decision: SheddingDecision; readonly lateMs: number } | undefined {
    return this.#pendingChange;
  }

  /** Runs until the attempt is over. */
  async run(signal: AbortSignal): Promise<AttemptOutcome> {
    const onAbort = (): void => this.#finish({ kind: 'aborted' });
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    this.#startedMs = this.#context.clock();
    const timer = setInterval(() => this.#tick(), TICK_MS);
    const reading = this.#readToTheEnd();
    try {
      return await this.#outcome.promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
      clearInterval(timer);
      this.#transcoder?.kill();
      await this.#ended(reading);
    }
  }

  /** True when there is media that is not published, since it was not known whether more would follow. */
  get hasTail(): boolean {
    return this.#hasMedia;
  }

  /** Nothing will follow what this attempt has read: whatever is open is complete, up to and with `lastK`. */
  publishTail(lastK: number): void {
    this.#lanes?.flush(lastK);
  }

  async #ended(reading: Promise<void>): Promise<void> {
    const { logger, sessionId } = this.#context;
    const ending = Promise.all([reading, this.#transcoder?.exited]);
    try {
      await withDeadline(ending, { ms: END_DEADLINE_MS, what: 'ending a subscription and its ffmpeg' });
    } catch (error) {
      logger.error(
        { err: error, sessionId },
        'An ffmpeg or a subscription outlives its end; nothing it says is used',
      );
    }
  }

  onHeader(output: number, header: InitTrack): void {
    this.#lanes?.onHeader(output, header);
  }

  onSample(output: number, sample: MediaSample): void {
    if (this.#isOver) return;
    this.#transcoder?.noteOutput(this.#context.clock(), output, sample.dts);
    this.#lanes?.onSample(output, sample);
  }

  onInvalidOutput(output: number, detail: string): void {
    const kind = this.#encoded[output]?.rendition.kind;
    const about = kind === undefined ? {} : { kinds: new Set([kind]) };
    this.#finish({ kind: 'failed', reason: 'assertion', detail, ...about });
  }

  onPart(renditionId: string): void {
    this.#silent.delete(renditionId);
    if (this.#silent.size === 0) this.#options.onProgress();
    if (this.#pendingChange?.decision.renditionId === renditionId) this.#changeAtBoundary();
  }

  onSegmentLost(renditionId: string, k: number, cause: GapCause): void {
    this.#options.onSegmentLost(renditionId, k, cause);
  }

  onInitDiffers(renditionId: string): void {
    this.#finish({ kind: 'init-differs', renditionId });
  }

  async #readToTheEnd(): Promise<void> {
    try {
      await this.#read();
    } catch (error) {
      if (this.#isOver) return;
      // What was read comes out first: if ingest is gone for good, it is the last of the period.
      this.#isInputOver = true;
      this.#transcoder?.end();
      await Promise.race([this.#transcoder?.exited, this.#outcome.promise]);
      this.#finish({ kind: 'relay-failed', error });
    }
  }

  async #read(): Promise<void> {
    const { ordinal, fromTicks } = this.#options;
    const request = {
      sessionId: this.#context.sessionId,
      period: ordinal,
      ...(fromTicks === undefined ? {} : { fromTicks }),
    };
    for await (const { payload } of this.#context.relay.subscribe(request, this.#abort.signal)) {
      if (this.#isOver) return;
      if (payload === undefined) continue;
      try {
        await this.#handle(payload);
      } catch (error) {
        // Not the subscription's failure: another one would bring the same.
        this.#finish({ kind: 'failed', reason: 'input', detail: describe(error) });
      }
      if (payload.$case === 'end') return;
    }
    throw new Error('the subscription ended without an end message');
  }

  async #handle(payload: NonNullable<relay.SubscribeResponse['payload']>): Promise<void> {
    switch (payload.$case) {
      case 'period':
        this.#begin(payload.value);
        await this.#startWhenPlanned();
        break;
      case 'wallClock':
        this.#context.rows.author.setUtcOffset(payload.value.k, payload.value.utcOffsetUs);
        break;
      case 'fragments':
        await this.#take(this.#gate?.take(payload.value.fragments) ?? []);
        break;
      case 'end':
        await this.#end(payload.value.reason);
        break;
    }
  }

  #begin(period: session.Period): void {
    this.#period = period;
    this.#positions = this.#options.begin(period);
    this.#gate = new InputGate(period.tracks, (fault, fragment) => this.#noteFault(fault, fragment));
    // A period ends with its last picture: a segment of a few samples of audio would be a gap in all video.
    this.#leadingTrack = trackOf(period, session.TrackKind.VIDEO) ?? period.tracks[0];
  }

  #noteFault(fault: InputFault, { trackId, dts }: relay.Fragment): void {
    const { metrics, logger, sessionId } = this.#context;
    metrics.droppedInput.inc({ reason: fault });
    if (this.#seenFaults.has(fault)) return;
    this.#seenFaults.add(fault);
    logger.warn(
      { id: 'WORKER_INPUT_DROPPED', sessionId, fault, trackId, dts },
      'An access unit of ingest cannot be used and is left out, like others of its kind; its picture or sound is missing',
    );
  }

  async #take(fragments: readonly relay.Fragment[]): Promise<void> {
    const lanes = this.#lanes;
    if (lanes === undefined) {
      this.#keepUnplanned(fragments);
      await this.#startWhenPlanned();
      return;
    }
    const nowMs = this.#context.clock();
    for (const fragment of fragments) {
      const track = this.#gate?.trackOf(fragment);
      if (track === undefined) continue;
      const seconds = fragment.dts / track.timescale;
      if (track === this.#leadingTrack) this.#options.onInput(fragment.dts, track.timescale);
      this.#transcoder?.noteInput(nowMs, track.kind, seconds);
      lanes.onFragment(fragment);
      this.#hasMedia = true;
    }
    const transcoder = this.#transcoder;
    if (transcoder === undefined) return;
    transcoder.write(fragments);
    // The ring of ingest holds what is not read yet: a slow ffmpeg costs no more memory than this.
    if (transcoder.isFull) await Promise.race([transcoder.drained(), this.#outcome.promise]);
  }

  #keepUnplanned(fragments: readonly relay.Fragment[]): void {
    for (const fragment of fragments) {
      this.#unplanned.push(fragment);
      this.#unplannedBytes += fragment.data.length;
    }
    if (this.#unplannedBytes > this.#context.config.ffmpeg.maxQueuedBytes)
      this.#finish({ kind: 'failed', reason: 'assertion', detail: 'no picture at the resume point' });
  }

  async #startWhenPlanned(): Promise<void> {
    const period = this.#period;
    if (period === undefined || this.#isOver) return;
    const { presentation, grid, rows, config } = this.#context;
    const videoTrack = trackOf(period, session.TrackKind.VIDEO);
    const plan = planAttempt({
      presentation,
      period,
      grid,
      positions: this.#positions,
      encoderThreads: config.ffmpeg.encoderThreads,
      x264Preset: config.ffmpeg.x264Preset,
      color: videoTrack === undefined ? NO_COLOUR : colorOf(videoTrack),
      fragments: this.#unplanned,
    });
    if (plan === undefined) return;
    this.#encoded = plan.encoded;
    const planned = new Set(plan.encoded.map(({ rendition }) => rendition.id));
    for (const id of this.#silent) if (!planned.has(id)) this.#silent.delete(id);
    this.#lanes = new AttemptLanes({ plan, presentation, period, grid, rows, listener: this });
    this.#lanes.begin();
    if (plan.transcode !== undefined) {
      const { transcode } = plan;
      const { patience } = this.#options;
      this.#transcoder = new WatchedTranscoder(this.#context, {
        plan,
        transcode,
        period,
        patience,
        listener: this,
      });
      void this.#awaitExit(this.#transcoder).catch((error: unknown) => {
        this.#finish({ kind: 'failed', reason: 'exit', detail: describe(error) });
      });
    }
    const unplanned = this.#unplanned;
    this.#unplanned = [];
    await this.#take(unplanned);
  }

  async #awaitExit(transcoder: WatchedTranscoder): Promise<void> {
    const { isClean, detail } = await transcoder.exited;
    if (!isClean || !this.#isInputOver) this.#finish({ kind: 'failed', reason: 'exit', detail });
  }

  async #end(reason: relay.EndReason): Promise<void> {
    this.#isInputOver = true;
    if (reason !== relay.EndReason.LAGGED) {
      this.#transcoder?.end();
      await Promise.race([this.#transcoder?.exited, this.#outcome.promise]);
      if (this.#isOver) return;
      this.#lanes?.flush(this.#options.lastK());
    }
    this.#finish({ kind: 'ended', reason });
  }

  #tick(): void {
    if (!this.#isOver && this.#context.clock() - this.#startedMs >= RELAY_ALIVE_MS)
      this.#options.onRelayAlive();
    const transcoder = this.#transcoder;
    if (transcoder === undefined || this.#isOver) return;
    const nowMs = this.#context.clock();
    if (transcoder.isStalled(nowMs)) {
      const stalled = transcoder.stalledKinds(nowMs);
      const about = stalled.size === 0 ? {} : { kinds: stalled };
      this.#finish({ kind: 'failed', reason: 'stalled', detail: 'no output while input waits', ...about });
      return;
    }
    const { lateMs } = transcoder;
    // One change at a time: what is decided has to reach its boundary first.
    const decision = this.#pendingChange === undefined ? this.#options.observeLateness(lateMs) : undefined;
    if (decision === undefined) return;
    this.#pendingChange = { decision, lateMs };
    this.#changeAtBoundary();
  }

  /** A rung goes with a segment's end: what is begun is finished first. One that comes back is planned for a boundary. */
  #changeAtBoundary(): void {
    const change = this.#pendingChange;
    if (change === undefined) return;
    const { renditionId, isShed } = change.decision;
    if (isShed && this.#context.rows.author.next(renditionId).part !== 0) return;
    this.#finish({ kind: 'changed' });
  }

  #finish(outcome: AttemptOutcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#outcome.resolve(outcome);
    this.#abort.abort();
  }
}

const NO_COLOUR = { primaries: 'bt709', transfer: 'bt709', matrix: 'bt709' };

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
