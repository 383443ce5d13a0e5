import { firstSegmentAtOrAfter, segmentStartTicks, VIDEO_TIMESCALE } from './grid.ts';
import { PeriodOpening } from './period-opening.ts';
import { isSameConfig, Publication } from './publication.ts';
import { rational } from './rational.ts';
import { ResendFilter } from './resend-filter.ts';
import { RunningPeriod } from './running-period.ts';
import type { ReadyPeriod, TrackKnowledge } from './period-opening.ts';
import type { TimelineMetadata } from './publication.ts';
import type { Rational } from './rational.ts';
import type { TimedUnit } from './running-period.ts';
import type {
  AudioConfig,
  PeriodReason,
  TimelineEvent,
  TimelineTrack,
  TimelineWarningId,
  TrackConfig,
  WireUnit,
} from './timeline-event.ts';

/** SEG when it was to come from the source and the source has no second IDR. */
const DEFAULT_SEGMENT: Rational = { numerator: 2, denominator: 1 };
/** Audio that waits for the IDR at which the next period begins. */
const MAX_SUSPENDED_UNITS = 512;
const VIDEO_TRACK_ID = 1;
const AUDIO_TRACK_ID = 2;

/** What a session's timeline has to know. */
export interface SessionTimelineOptions {
  /** SEG in seconds, at least 1; `source` takes it from the first two IDRs. */
  readonly segmentDurationSeconds: Rational | 'source';
  /** The longest gap that a period survives, in seconds. */
  readonly graceSeconds: number;
  /** Keeps the encoder's frame times instead of a constant rate. */
  readonly isVariableFrameRate: boolean;
  /** The configuration that audio has as silence until its own comes for the first time: AAC-LC. */
  readonly defaultAudio: AudioConfig;
  /** Where a session that another process began goes on. */
  readonly resume?: {
    readonly lastK: number;
    /** The last period is known to have ended with `lastK`. */
    readonly isLastKFinal: boolean;
    readonly nextOrdinal: number;
    readonly hasVideo: boolean;
    readonly hasAudio: boolean;
    /** Unset when it was to come from the source and nobody knows it. */
    readonly segmentDuration?: Rational;
  };
}

/**
 * The authority on time of one session: takes access units as an encoder sends them and gives them absolute times by the rules
 * of time, without I/O and without a clock of its own.
 *
 * Arrival times are ms since 1970. Every call returns what it caused, in order; the same units at the same times give the same
 * events, however often `tick` was called in between. Never throws for anything an encoder can send; what it holds is bounded
 * (4096 units or 32 MB while a period opens, else one picture, one IDR and half a minute of clock samples).
 */
export class SessionTimeline {
  readonly #options: SessionTimelineOptions;
  readonly #resends = new ResendFilter();
  #segment: Rational | undefined;
  #lastK: number | undefined;
  #isLastKFinal = true;
  #nextOrdinal: number;
  /** The kinds of track that the session has had; fixed when its first period opens. */
  readonly #kinds = new Set<'video' | 'audio'>();
  /** Audio that comes late will most likely be what it was in the period before, and need no period of its own. */
  #expectedAudio: AudioConfig;
  #publication: Publication | undefined;
  #opening: PeriodOpening | undefined;
  #period: RunningPeriod | undefined;
  /** Why the period ends at the next IDR. */
  #cutReason: PeriodReason | undefined;
  /** Audio that does not belong to the open period any more. */
  #suspendedAudio: TimedUnit[] | undefined;
  #reported = new Set<TimelineWarningId>();
  #reportedK = 0;
  #out: TimelineEvent[] = [];

  constructor(options: SessionTimelineOptions) {
    this.#options = options;
    this.#expectedAudio = options.defaultAudio;
    const { segmentDurationSeconds: segment, resume } = options;
    this.#segment = resume?.segmentDuration ?? (segment === 'source' ? undefined : segment);
    if (this.#segment !== undefined) {
      const { numerator, denominator } = rational(this.#segment.numerator, this.#segment.denominator);
      if (numerator < denominator)
        throw new RangeError(`SEG ${numerator}/${denominator} s: must be at least 1 s`);
    }
    this.#lastK = resume?.lastK;
    this.#isLastKFinal = resume?.isLastKFinal ?? true;
    this.#nextOrdinal = resume?.nextOrdinal ?? 0;
    if (resume?.hasVideo === true) this.#kinds.add('video');
    if (resume?.hasAudio === true) this.#kinds.add('audio');
  }

  /** An encoder has begun to publish; the period of the one before ends, if it is open. */
  beginPublication(
    nowMs: number,
    reason: 'reconnect' | 'takeover' | 'failover' = 'reconnect',
  ): TimelineEvent[] {
    if (this.#publication !== undefined) this.#endPublication(nowMs);
    this.#resends.beginPublication();
    this.#publication = new Publication();
    this.#opening = new PeriodOpening(this.#nextOrdinal === 0 ? 'first' : reason);
    return this.#takeOut();
  }

  /** Takes what `onMetaData` says; a period that is open is not changed by it. */
  setMetadata(metadata: TimelineMetadata): void {
    if (this.#publication !== undefined) this.#publication.metadata = metadata;
  }

  /** Takes a parsed sequence header; identical repeats do nothing, a changed one opens a period. */
  configure(config: TrackConfig, arrivalMs: number): TimelineEvent[] {
    this.#advance(arrivalMs);
    const publication = this.#publication;
    if (publication === undefined) return this.#takeOut();
    const change = publication.configure(config);
    if (change === 'same') return this.#takeOut();
    if (change === 'changed') this.#opening?.dropTrack(config.kind);
    if (this.#period !== undefined) this.#reconfigure(this.#period, config);
    this.#openIfReady(arrivalMs);
    return this.#takeOut();
  }

  /** Takes an access unit. */
  push(unit: WireUnit, arrivalMs: number): TimelineEvent[] {
    this.#advance(arrivalMs);
    const publication = this.#publication;
    if (publication === undefined) return this.#takeOut();
    const timed = publication.time(unit, arrivalMs);
    const config = unit.kind === 'video' ? publication.video : publication.audio;
    if (config === undefined) return this.#takeOut();
    if (!this.#isExpected(unit.kind)) this.#warnUnannounced(unit.kind);
    else if (!this.#resends.isResent(unit) && !publication.isFromBeforeJump(timed)) {
      this.#pushTimed(publication, timed);
    }
    return this.#takeOut();
  }

  /** Says what time it is, so that deadlines are kept while nothing comes. Every 100 ms is often enough. */
  tick(nowMs: number): TimelineEvent[] {
    this.#advance(nowMs);
    return this.#takeOut();
  }

  /** The encoder has gone: what was held back comes out and the period ends. */
  endPublication(nowMs: number): TimelineEvent[] {
    this.#advance(nowMs);
    this.#endPublication(nowMs);
    return this.#takeOut();
  }

  /** Asks for a new period; it begins at the next IDR. Nothing happens while one is being opened anyway. */
  requestPeriod(reason: PeriodReason): void {
    if (this.#period !== undefined) this.#cutReason ??= reason;
  }

  /** The newest segment that was begun, in any period. */
  get lastK(): number | undefined {
    return this.#period?.currentK ?? this.#lastK;
  }

  #pushRunning(period: RunningPeriod, publication: Publication, timed: TimedUnit): void {
    const { kind, isRandomAccess } = timed.unit;
    if (!period.has(kind)) {
      // A session with video whose encoder came back without: the video begins with a period of its own.
      if (kind === 'video' && isRandomAccess) this.#reopen('configuration', timed);
      return;
    }
    if (kind === 'audio' && this.#suspendedAudio !== undefined) {
      this.#suspend(timed);
      return;
    }
    const step = publication.step(timed, period.opened.segmentDuration, this.#options.graceSeconds);
    if (step === 'jump') {
      this.#jumpAt(period, publication, timed);
      return;
    }
    const isCut = kind === 'video' ? isRandomAccess && step !== 'behind' : !period.has('video');
    if (this.#cutReason !== undefined && isCut) {
      this.#reopen(this.#cutReason, timed);
      return;
    }
    if (step !== 'behind') publication.accept(timed);
    this.#out.push(...period.push(timed, step));
    this.#watch(period, publication);
  }

  /** A jump of the video ends the period at once; one of the audio alone at the next IDR. */
  #jumpAt(period: RunningPeriod, publication: Publication, timed: TimedUnit): void {
    if (timed.unit.kind === 'audio' && period.has('video')) {
      this.#cutReason ??= 'timestamp-jump';
      this.#suspendedAudio ??= [];
      this.#suspend(timed);
      return;
    }
    if (this.#suspendedAudio === undefined) publication.noteJump(timed);
    this.#reopen('timestamp-jump', timed);
  }

  /** What a session consists of is fixed when its first period opens. */
  #isExpected(kind: 'video' | 'audio'): boolean {
    return this.#nextOrdinal === 0 || this.#kinds.has(kind);
  }

  #warnUnannounced(kind: 'video' | 'audio'): void {
    this.#warn(
      `${kind}-unannounced`,
      `${kind} came that neither a header nor the metadata had announced when the session opened; it is dropped: end the session and publish again with ${kind} from the start`,
    );
  }

  #reconfigure(period: RunningPeriod, config: TrackConfig): void {
    if (config.kind === 'audio') {
      const current = period.opened.tracks.find((track) => track.config.kind === 'audio')?.config;
      if (current === undefined || isSameConfig(current, config)) return;
      this.#cutReason ??= 'configuration';
      this.#suspendedAudio = [];
    } else if (period.has('video')) {
      this.#reopen('configuration', undefined);
    }
  }

  /** Ends the period and begins to open the next, with the unit that caused it and the audio that waited for it. */
  #reopen(reason: PeriodReason, timed: TimedUnit | undefined): void {
    const waiting = this.#suspendedAudio ?? [];
    this.#endPeriod();
    this.#opening = new PeriodOpening(reason, waiting);
    if (timed !== undefined) this.#addToOpening(timed);
  }

  #addToOpening(timed: TimedUnit): void {
    this.#opening?.add(timed);
    this.#openIfReady(timed.arrivalMs);
  }

  #advance(nowMs: number): void {
    for (const deadlineMs of this.#opening?.deadlinesMs() ?? []) {
      if (deadlineMs <= nowMs) this.#openIfReady(deadlineMs);
    }
  }

  #openIfReady(nowMs: number): void {
    const ready = this.#opening?.takeReady(nowMs, this.#knowledge());
    if (ready !== undefined) this.#open(ready);
  }

  #knowledge(): TrackKnowledge {
    const publication = this.#publication;
    const metadata = publication?.metadata;
    return {
      video: this.#isExpected('video') ? publication?.video : undefined,
      audio: this.#isExpected('audio') ? publication?.audio : undefined,
      hasVideo: this.#isExpected('video') ? metadata?.hasVideo : false,
      hasAudio: this.#isExpected('audio') ? metadata?.hasAudio : false,
      frameRate: metadata?.frameRate,
      isStatedRateWrong: publication?.isStatedRateWrong ?? false,
      isVariableFrameRate: this.#options.isVariableFrameRate,
      isSegmentUnknown: this.#segment === undefined,
    };
  }

  #open({ units, frameRate, segmentDuration }: ReadyPeriod): void {
    const publication = this.#publication;
    const reason = this.#opening?.reason;
    if (publication === undefined || reason === undefined) return;
    this.#opening = undefined;
    const [anchor, ...others] = units;
    this.#segment ??= segmentDuration ?? DEFAULT_SEGMENT;
    const segment = this.#segment;
    const arrivalK = firstSegmentAtOrAfter(anchor.arrivalMs, segment);
    const firstK =
      this.#lastK === undefined ? arrivalK : Math.max(arrivalK, this.#lastK + this.#step(reason));
    const period = new RunningPeriod(
      {
        type: 'period-opened',
        ordinal: this.#nextOrdinal,
        firstK,
        startTicks: segmentStartTicks(firstK, VIDEO_TIMESCALE, segment),
        tracks: this.#tracks(publication, anchor, frameRate),
        reason,
        segmentDuration: segment,
      },
      anchor,
    );
    this.#nextOrdinal += 1;
    for (const { config } of period.opened.tracks) this.#kinds.add(config.kind);
    publication.forgetLatest();
    this.#period = period;
    this.#reportedK = firstK;
    this.#out.push(period.opened);
    for (const timed of [anchor, ...others]) this.#pushTimed(publication, timed);
  }

  /**
   * How far behind the last segment a period begins: one segment lies between, since more may have been begun than is known.
   * An encoder that stood by is spliced in at the next, where that is certain.
   */
  #step(reason: PeriodReason): number {
    return reason === 'failover' && this.#isLastKFinal ? 1 : 2;
  }

  #pushTimed(publication: Publication, timed: TimedUnit): void {
    if (this.#period !== undefined) this.#pushRunning(this.#period, publication, timed);
    else this.#addToOpening(timed);
  }

  #tracks(publication: Publication, anchor: TimedUnit, frameRate: Rational | undefined): TimelineTrack[] {
    const { video, audio, metadata } = publication;
    const tracks: TimelineTrack[] = [];
    if (video !== undefined && anchor.unit.kind === 'video') {
      tracks.push({ trackId: VIDEO_TRACK_ID, timescale: VIDEO_TIMESCALE, config: video, frameRate });
    }
    if (!this.#isExpected('audio')) return tracks;
    const isAnnounced = this.#kinds.has('audio') || (metadata?.hasAudio ?? false);
    const config = audio ?? (isAnnounced ? this.#expectedAudio : undefined);
    if (config === undefined) return tracks;
    this.#expectedAudio = config;
    return [...tracks, { trackId: AUDIO_TRACK_ID, timescale: config.sampleRate, config }];
  }

  #watch(period: RunningPeriod, publication: Publication): void {
    if (period.isLate) this.#cutReason ??= 'encoder-late';
    if (period.isRateWrong && !publication.isStatedRateWrong) {
      publication.isStatedRateWrong = true;
      this.#cutReason ??= 'configuration';
      this.#warn(
        'frame-rate-wrong',
        'pictures come faster than the stated frame rate; the next period measures it',
      );
    }
    if (period.isFast) {
      this.#warn('clock-fast', 'the encoder sends more than one segment ahead of real time');
    }
    if (period.currentK > this.#reportedK) {
      this.#reportedK = period.currentK;
      this.#reportCounts(period);
    }
  }

  #reportCounts({ counts }: RunningPeriod): void {
    const corrected = counts.repeatedAudio + counts.droppedAudio;
    if (counts.droppedVideo > 0) {
      const message = `${counts.droppedVideo} pictures were dropped: duplicates, old ones, or ones without their IDR`;
      this.#out.push({ type: 'warning', id: 'frames-dropped', message, count: counts.droppedVideo });
    }
    if (corrected > 0) {
      const message = `audio left its sample grid: ${counts.repeatedAudio} frames repeated, ${counts.droppedAudio} dropped`;
      this.#out.push({ type: 'warning', id: 'audio-corrected', message, count: corrected });
    }
    counts.droppedVideo = counts.repeatedAudio = counts.droppedAudio = 0;
  }

  /** Says a thing once for each period. */
  #warn(id: TimelineWarningId, message: string): void {
    if (this.#reported.has(id)) return;
    this.#reported.add(id);
    this.#out.push({ type: 'warning', id, message });
  }

  #suspend(timed: TimedUnit): void {
    const waiting = this.#suspendedAudio;
    if (waiting === undefined) return;
    waiting.push(timed);
    if (waiting.length > MAX_SUSPENDED_UNITS) waiting.shift();
  }

  #endPublication(nowMs: number): void {
    this.#openIfReady(nowMs);
    this.#endPeriod();
    this.#opening = undefined;
    this.#publication = undefined;
  }

  #endPeriod(): void {
    const period = this.#period;
    this.#period = undefined;
    this.#cutReason = undefined;
    this.#suspendedAudio = undefined;
    this.#reported = new Set();
    if (period === undefined) return;
    this.#out.push(...period.flush());
    this.#reportCounts(period);
    this.#lastK = period.currentK;
    this.#isLastKFinal = true;
    this.#out.push({ type: 'period-ended', ordinal: period.opened.ordinal, lastK: period.lastK });
  }

  #takeOut(): TimelineEvent[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }
}
