import {
  claimedFrameRates,
  measureFrameRate,
  segmentDurationOfInterval,
  statedFrameRate,
} from './frame-rate.ts';
import { ORDINARY_STEP_MS } from './jump-detector.ts';
import type { Rational } from './rational.ts';
import type { TimedUnit } from './running-period.ts';
import type { AudioConfig, PeriodReason, VideoConfig } from './timeline-event.ts';

/** What is unknown this long after the first IDR stays unknown; also how much video is measured. */
const OPENING_MS = 500;
/** How long video that nobody announced is awaited. */
const UNANNOUNCED_VIDEO_MS = 2000;
/** How long an announced video's first IDR, and the second IDR for SEG, is awaited. */
const IDR_WAIT_MS = 10_000;
/** Units and bytes that may wait for the opening. */
const MAX_WAITING_UNITS = 4096;
const MAX_WAITING_BYTES = 32 * 1024 * 1024;

/** What a publication has said about its tracks so far. */
export interface TrackKnowledge {
  readonly video: VideoConfig | undefined;
  readonly audio: AudioConfig | undefined;
  /** From the metadata; unset while there is none. */
  readonly hasVideo: boolean | undefined;
  readonly hasAudio: boolean | undefined;
  readonly frameRate: number | undefined;
  /** The rate that was stated has been found wrong: it is measured. */
  readonly isStatedRateWrong: boolean;
  /** Variable frame times are wanted. */
  readonly isVariableFrameRate: boolean;
  /** SEG is to come from the source's IDRs. */
  readonly isSegmentUnknown: boolean;
}

/** A period that may begin. */
export interface ReadyPeriod {
  /** The anchor first, then the others as they came. */
  readonly units: readonly [TimedUnit, ...TimedUnit[]];
  readonly frameRate: Rational | undefined;
  /** SEG as the source's first two IDRs have it; unset where it was not asked for, or no second one came. */
  readonly segmentDuration: Rational | undefined;
}

/** Collects units until a period can begin: its first IDR is there, its tracks and frame rate are known, or time is up. */
export class PeriodOpening {
  readonly reason: PeriodReason;
  #waiting: TimedUnit[] = [];
  #waitingBytes = 0;
  #idr: TimedUnit | undefined;
  #secondIdr: TimedUnit | undefined;
  #lastVideo: TimedUnit | undefined;
  #isOverflown = false;

  constructor(reason: PeriodReason, waiting: readonly TimedUnit[] = []) {
    this.reason = reason;
    for (const timed of waiting) this.add(timed);
  }

  /** Takes a unit; video before the first IDR is left out. */
  add(timed: TimedUnit): void {
    if (timed.unit.kind === 'video' && !this.#addVideo(timed)) return;
    this.#waiting.push(timed);
    this.#waitingBytes += timed.unit.data.length;
    while (this.#waiting.length > MAX_WAITING_UNITS || this.#waitingBytes > MAX_WAITING_BYTES) {
      if (this.#idr !== undefined) {
        this.#isOverflown = true;
        return;
      }
      this.#waitingBytes -= this.#waiting.shift()?.unit.data.length ?? 0;
    }
  }

  /** Leaves out what came in a configuration that is no longer the track's. */
  dropTrack(kind: 'video' | 'audio'): void {
    if (kind === 'video') this.#idr = this.#secondIdr = this.#lastVideo = undefined;
    this.#waiting = this.#waiting.filter(({ unit }) => unit.kind !== kind);
    this.#waitingBytes = this.#waiting.reduce((sum, { unit }) => sum + unit.data.length, 0);
  }

  /** Takes the period out if it can begin at `nowMs`. */
  takeReady(nowMs: number, known: TrackKnowledge): ReadyPeriod | undefined {
    const stated = statedRate(known);
    const anchor =
      this.#idr === undefined ? this.#audioAnchor(nowMs, known) : this.#videoAnchor(nowMs, known, stated);
    if (anchor === undefined) return undefined;
    const frameRate = known.isVariableFrameRate ? undefined : (stated ?? this.#measuredRate(known));
    const units: [TimedUnit, ...TimedUnit[]] = [anchor, ...this.#waiting.filter((timed) => timed !== anchor)];
    return { units, frameRate, segmentDuration: this.#segmentDuration(known, frameRate) };
  }

  /** When `takeReady` may have another answer without another unit, in ms since 1970. */
  deadlinesMs(): readonly number[] {
    const idr = this.#idr;
    if (idr !== undefined) return [idr.arrivalMs + OPENING_MS, idr.arrivalMs + IDR_WAIT_MS];
    const first = this.#waiting[0];
    return first === undefined ? [] : [first.arrivalMs + UNANNOUNCED_VIDEO_MS, first.arrivalMs + IDR_WAIT_MS];
  }

  #addVideo(timed: TimedUnit): boolean {
    const step = timed.timeMs - (this.#lastVideo?.timeMs ?? timed.timeMs);
    // The clock jumped before the period began: it begins behind the jump.
    if (Math.abs(step) > ORDINARY_STEP_MS) this.dropTrack('video');
    if (this.#idr === undefined) {
      if (!timed.unit.isRandomAccess) return false;
      this.#idr = timed;
    } else if (timed.unit.isRandomAccess) {
      this.#secondIdr ??= timed;
    }
    this.#lastVideo = timed;
    return true;
  }

  #videoAnchor(nowMs: number, known: TrackKnowledge, stated: Rational | undefined): TimedUnit | undefined {
    const idr = this.#idr;
    if (idr === undefined || known.video === undefined) return undefined;
    const isExpired = this.#isOverflown || nowMs - idr.arrivalMs >= OPENING_MS;
    const spanMs = (this.#lastVideo?.timeMs ?? idr.timeMs) - idr.timeMs;
    const isRateKnown = known.isVariableFrameRate || stated !== undefined || spanMs >= OPENING_MS;
    // Without any metadata nothing says whether audio will come.
    const isAudioKnown = known.audio !== undefined || known.hasAudio === false;
    if (!isExpired && !(isRateKnown && isAudioKnown)) return undefined;
    const isSegmentKnown =
      !known.isSegmentUnknown ||
      this.#secondIdr !== undefined ||
      this.#isOverflown ||
      nowMs - idr.arrivalMs >= IDR_WAIT_MS;
    return isSegmentKnown ? idr : undefined;
  }

  #audioAnchor(nowMs: number, known: TrackKnowledge): TimedUnit | undefined {
    const first = this.#waiting.find(({ unit }) => unit.kind === 'audio');
    if (first === undefined || known.audio === undefined) return undefined;
    const isVideoAnnounced = known.video !== undefined || known.hasVideo === true;
    const waitMs = isVideoAnnounced ? IDR_WAIT_MS : known.hasVideo === false ? 0 : UNANNOUNCED_VIDEO_MS;
    return nowMs - first.arrivalMs >= waitMs ? first : undefined;
  }

  #measuredRate({ video, frameRate }: TrackKnowledge): Rational | undefined {
    const times = this.#waiting.filter(({ unit }) => unit.kind === 'video').map(({ timeMs }) => timeMs);
    return measureFrameRate(times, claimedFrameRates(video?.frameRate, frameRate));
  }

  #segmentDuration(known: TrackKnowledge, frameRate: Rational | undefined): Rational | undefined {
    if (!known.isSegmentUnknown || this.#idr === undefined || this.#secondIdr === undefined) return undefined;
    const ms = this.#secondIdr.timeMs - this.#idr.timeMs;
    if (ms <= 0) return undefined;
    if (frameRate === undefined) return segmentDurationOfInterval({ ms });
    const frames = Math.round((ms * frameRate.numerator) / (1000 * frameRate.denominator));
    return segmentDurationOfInterval({ frames, rate: frameRate });
  }
}

function statedRate({ video, frameRate, isStatedRateWrong }: TrackKnowledge): Rational | undefined {
  return isStatedRateWrong ? undefined : statedFrameRate(video?.frameRate, frameRate);
}
