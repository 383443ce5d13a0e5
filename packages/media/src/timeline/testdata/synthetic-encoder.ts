import { SessionTimeline } from '../session-timeline.ts';
import type { SessionTimelineOptions } from '../session-timeline.ts';
import type { Rational } from '../rational.ts';
import type {
  AudioConfig,
  PeriodEnded,
  PeriodOpened,
  SegmentStarted,
  TimelineEvent,
  TimelineUnit,
  TimelineWarning,
  VideoConfig,
  WireUnit,
} from '../timeline-event.ts';

/** Some moment in 2025 that is no grid point. */
export const START_MS = 1_750_000_000_700;

/** A video configuration; `version` makes it another one. */
export function videoConfig(frameRate?: Rational, version = 1): VideoConfig {
  return {
    kind: 'video',
    codec: 'avc1.64001f',
    decoderConfig: Uint8Array.of(1, 0x64, 0, 0x1f, version),
    width: 1280,
    height: 720,
    frameRate,
    isInterlaced: false,
  };
}

/** An audio configuration; `version` makes it another one. */
export function audioConfig(sampleRate = 48_000, version = 1): AudioConfig {
  return {
    kind: 'audio',
    codec: 'mp4a.40.2',
    decoderConfig: Uint8Array.of(0x11, 0x90, sampleRate / 100, version),
    sampleRate,
    channelCount: 2,
    samplesPerFrame: 1024,
    silentFrame: Uint8Array.of(0x21),
  };
}

/** A unit with the ms at which it leaves the encoder, by the encoder's clock. */
export interface SentUnit {
  readonly unit: WireUnit;
  readonly atMs: number;
}

/** Pictures at a rate, IDR every `gop`; times from `fromMs` on, rounded to ms as an encoder does. */
export function pictures(options: {
  readonly rate: Rational;
  readonly count: number;
  readonly fromMs?: number;
  readonly gop?: number;
  readonly isFirstIdr?: boolean;
}): SentUnit[] {
  const { rate, count, fromMs = 0, gop = 60, isFirstIdr = true } = options;
  return Array.from({ length: count }, (_, index) => {
    const atMs = fromMs + (index * 1000 * rate.denominator) / rate.numerator;
    const isRandomAccess = index % gop === 0 && (isFirstIdr || index > 0);
    const data = Uint8Array.of(isRandomAccess ? 5 : 1, index & 255, index >> 8);
    return { atMs, unit: { kind: 'video', timestampMs: Math.round(atMs), compositionOffsetMs: 0, isRandomAccess, data } };
  });
}

/** Audio frames of 1024 samples. */
export function frames(options: {
  readonly sampleRate?: number;
  readonly count: number;
  readonly fromMs?: number;
}): SentUnit[] {
  const { sampleRate = 48_000, count, fromMs = 0 } = options;
  return Array.from({ length: count }, (_, index) => {
    const atMs = fromMs + (index * 1024 * 1000) / sampleRate;
    const data = Uint8Array.of(2, index & 255, index >> 8);
    return {
      atMs,
      unit: { kind: 'audio', timestampMs: Math.round(atMs), compositionOffsetMs: 0, isRandomAccess: true, data },
    };
  });
}

/** The units in the order in which an encoder sends them. */
export function interleave(...tracks: readonly (readonly SentUnit[])[]): SentUnit[] {
  return tracks.flat().toSorted((a, b) => a.atMs - b.atMs);
}

/** The same units with their timestamps moved, modulo 2^bits. */
export function shifted(units: readonly SentUnit[], byMs: number, bits = 32): SentUnit[] {
  const modulus = 2 ** bits;
  return units.map(({ unit, atMs }) => ({
    atMs,
    unit: { ...unit, timestampMs: (((unit.timestampMs + byMs) % modulus) + modulus) % modulus },
  }));
}

const DEFAULTS: SessionTimelineOptions = {
  segmentDurationSeconds: { numerator: 2, denominator: 1 },
  graceSeconds: 30,
  isVariableFrameRate: false,
  defaultAudio: audioConfig(48_000, 0),
};

/** A session's timeline with a clock that the test moves, and all that it has said. */
export class TimelineProbe {
  readonly timeline: SessionTimeline;
  readonly events: TimelineEvent[] = [];

  constructor(options: Partial<SessionTimelineOptions> = {}) {
    this.timeline = new SessionTimeline({ ...DEFAULTS, ...options });
  }

  /** Begins a publication with announced tracks. */
  begin(
    atMs: number,
    tracks: {
      readonly video?: VideoConfig | undefined;
      readonly audio?: AudioConfig | undefined;
      readonly frameRate?: number | undefined;
      readonly hasVideo?: boolean;
      readonly hasAudio?: boolean;
    },
  ): void {
    const { video, audio, frameRate, hasVideo = video !== undefined, hasAudio = audio !== undefined } = tracks;
    this.events.push(...this.timeline.beginPublication(atMs));
    this.timeline.setMetadata({ frameRate, hasVideo, hasAudio });
    for (const config of [video, audio]) {
      if (config !== undefined) this.events.push(...this.timeline.configure(config, atMs));
    }
  }

  /** Sends units; each arrives when it leaves the encoder, `startMs` being 0 on the encoder's clock. */
  send(units: readonly SentUnit[], startMs = START_MS, clockRate = 1): void {
    for (const { unit, atMs } of units) {
      this.events.push(...this.timeline.push(unit, startMs + atMs * clockRate));
    }
  }

  /** Ends the publication. */
  end(atMs: number): void {
    this.events.push(...this.timeline.endPublication(atMs));
  }

  /** The periods that were opened. */
  get opened(): PeriodOpened[] {
    return this.events.filter((event) => event.type === 'period-opened');
  }

  /** The periods that ended. */
  get ended(): PeriodEnded[] {
    return this.events.filter((event) => event.type === 'period-ended');
  }

  /** The segments that began. */
  get segments(): SegmentStarted[] {
    return this.events.filter((event) => event.type === 'segment-started');
  }

  /** The warnings. */
  get warnings(): TimelineWarning[] {
    return this.events.filter((event) => event.type === 'warning');
  }

  /** The units of a kind. */
  units(kind: 'video' | 'audio'): TimelineUnit[] {
    return this.events.filter((event) => event.type === 'unit').filter((unit) => unit.kind === kind);
  }
}
