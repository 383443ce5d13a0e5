import { session } from '@millrace/contracts';
import type { relay } from '@millrace/contracts';
import { marshalFragment, SessionTimeline } from '@millrace/media';
import type {
  BoundaryReached,
  PeriodOpened,
  Rational,
  TimelineEvent,
  TimelineTrack,
  TimelineUnit,
  TimelineWarning,
} from '@millrace/media';
import type { Clock, EventEmitter, Logger } from '@millrace/runtime';
import type { IngestMetrics } from '../metrics.ts';
import { DEFAULT_AUDIO } from './media-input.ts';
import { PeriodRing } from './period-ring.ts';
import type { RingBounds } from './period-ring.ts';
import { planPresentation } from './presentation.ts';
import type { RecordWriter } from './record-writer.ts';

/** What a session of ingest is built on. */
export interface IngestSessionDependencies {
  readonly clock: Clock;
  readonly events: EventEmitter;
  readonly logger: Logger;
  readonly metrics: IngestMetrics;
  readonly writer: RecordWriter;
  readonly ring: RingBounds;
}

/** Ended periods are kept for workers that are still reading them. */
const MAX_RINGS = 4;

/**
 * One live session as ingest has it: its timeline, the recent media of its periods, and what of it goes into the record.
 *
 * Outlives publications; its owner ends it when the record says `ended`.
 */
export class IngestSession {
  readonly id: string;
  readonly channel: session.Channel;
  readonly #dependencies: IngestSessionDependencies;
  readonly #timeline: SessionTimeline;
  readonly #rings = new Map<number, PeriodRing>();
  readonly #waiters = new Set<() => void>();
  /** The first period, until the presentation can be planned from it. */
  #unplanned: { readonly opened: PeriodOpened; utcOffsetUs: number | undefined } | undefined;
  #open: PeriodRing | undefined;
  #newestK = 0;
  #utcOffsetUs = 0;
  #sequenceNumber = 0;
  #hasEnded = false;

  constructor(id: string, channel: session.Channel, dependencies: IngestSessionDependencies) {
    this.id = id;
    this.channel = channel;
    this.#dependencies = dependencies;
    this.#timeline = new SessionTimeline({
      segmentDurationSeconds: channel.segmentFromSource ? 'source' : requireSegmentDuration(channel),
      graceSeconds: channel.graceSeconds,
      isVariableFrameRate: channel.isVariableFrameRate,
      defaultAudio: DEFAULT_AUDIO,
    });
  }

  get timeline(): SessionTimeline {
    return this.#timeline;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Bytes of recent media. */
  get ringBytes(): number {
    let bytes = 0;
    for (const ring of this.#rings.values()) bytes += ring.bytes;
    return bytes;
  }

  /** The first segment that a period opened now can have. */
  get nextK(): number {
    return this.#newestK + 2;
  }

  /** The period's media; `undefined` when it has not begun, or is forgotten. */
  ringOf(ordinal: number): PeriodRing | undefined {
    return this.#rings.get(ordinal);
  }

  /** The newest period's ordinal; -1 before the first. */
  get newestOrdinal(): number {
    return Math.max(-1, ...this.#rings.keys());
  }

  /** Resolves when a period begins or the session ends, or the signal is aborted. */
  waitForPeriod(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiters.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiters.add(done);
      signal.addEventListener('abort', done);
      if (signal.aborted || this.#hasEnded) done();
    });
  }

  /** Carries out what the timeline has decided. */
  take(events: readonly TimelineEvent[]): void {
    for (const event of events) {
      switch (event.type) {
        case 'period-opened':
          this.#openPeriod(event);
          break;
        case 'segment-started':
          this.#startSegment(event.k, event.utcOffsetUs);
          break;
        case 'unit':
          this.#relay(event);
          break;
        case 'boundary':
          this.#decideSource(event);
          break;
        case 'period-ended':
          this.#endPeriod(event.ordinal, event.lastK);
          break;
        case 'warning':
          this.#warn(event);
          break;
      }
    }
  }

  /** The session is over: readers are told, memory is freed. */
  end(): void {
    this.#hasEnded = true;
    this.#dependencies.metrics.sessionAge.remove({ channel: this.channel.name });
    for (const ring of this.#rings.values()) ring.end();
    this.#rings.clear();
    for (const waiter of this.#waiters) waiter();
  }

  #openPeriod(opened: PeriodOpened): void {
    const { metrics, events, logger, writer } = this.#dependencies;
    const period: session.Period = {
      ordinal: opened.ordinal,
      firstK: opened.firstK,
      startTicks: opened.startTicks,
      tracks: opened.tracks.map(toTrack),
      reason: opened.reason,
    };
    const ring = new PeriodRing(period, this.#dependencies.ring);
    this.#rings.set(opened.ordinal, ring);
    this.#open = ring;
    for (const ordinal of this.#rings.keys()) {
      if (this.#rings.size > MAX_RINGS) this.#rings.delete(ordinal);
    }
    if (opened.ordinal === 0) this.#unplanned = { opened, utcOffsetUs: undefined };
    writer.write({ openPeriod: period, currentK: opened.firstK });
    metrics.periods.inc({ reason: opened.reason });
    events.emit({ type: 'PeriodOpened', data: { channel: this.channel.name, sessionId: this.id, period } });
    logger.info(
      { sessionId: this.id, period: opened.ordinal, reason: opened.reason, k: opened.firstK },
      'Period opened',
    );
    for (const waiter of this.#waiters) waiter();
  }

  #startSegment(k: number, utcOffsetUs: number): void {
    this.#newestK = k;
    this.#utcOffsetUs = utcOffsetUs;
    this.#open?.append({ kind: 'wall-clock', wallClock: { k, utcOffsetUs } });
    this.#dependencies.writer.write({ currentK: k });
    const unplanned = this.#unplanned;
    if (unplanned === undefined || unplanned.utcOffsetUs !== undefined) return;
    unplanned.utcOffsetUs = utcOffsetUs;
    // Whether the source can be listed is known at the first boundary after the first IDR.
    if (!this.#awaitsBoundary(unplanned.opened)) this.#plan(undefined);
  }

  #awaitsBoundary(opened: PeriodOpened): boolean {
    const hasVideo = opened.tracks.some((track) => track.config.kind === 'video');
    return hasVideo && this.channel.ladder.some((rung) => rung.isSource);
  }

  #decideSource(boundary: BoundaryReached): void {
    if (this.#unplanned !== undefined) this.#plan(boundary);
  }

  #plan(boundary: BoundaryReached | undefined): void {
    const unplanned = this.#unplanned;
    if (unplanned === undefined) return;
    this.#unplanned = undefined;
    const { writer, events, logger } = this.#dependencies;
    const { segmentDuration } = unplanned.opened;
    const presentation = planPresentation({
      channel: this.channel,
      tracks: unplanned.opened.tracks.map(toTrack),
      segmentDuration,
      utcOffsetUs: unplanned.utcOffsetUs ?? 0,
      ...(boundary === undefined
        ? {}
        : {
            source: {
              hasMetBoundary: boundary.isMet,
              bitrateBps: Math.round(
                (boundary.previousBytes * 8 * segmentDuration.denominator) / segmentDuration.numerator,
              ),
            },
          }),
    });
    writer.write({ presentation });
    events.emit({
      type: 'SessionPrepared',
      data: { channel: this.channel.name, sessionId: this.id, presentation },
    });
    const renditions = presentation.renditions.map((rendition) => rendition.id);
    logger.info({ sessionId: this.id, renditions }, 'Session prepared');
  }

  #relay(unit: TimelineUnit): void {
    const ring = this.#open;
    if (ring === undefined) return;
    const { dts, duration, compositionOffset, trackId, isRandomAccess, isFiller } = unit;
    this.#sequenceNumber += 1;
    const sample = { duration, compositionOffset, isSync: isRandomAccess, data: unit.data };
    const data = marshalFragment(
      { trackId, baseMediaDecodeTime: dts, samples: [sample] },
      this.#sequenceNumber,
    );
    const fragment: relay.Fragment = {
      trackId,
      dts,
      compositionOffset,
      duration,
      isRandomAccess,
      isFiller,
      data,
    };
    ring.append({ kind: 'fragment', fragment });
    this.#count(unit);
  }

  #count(unit: TimelineUnit): void {
    const { metrics, clock } = this.#dependencies;
    metrics.accessUnits.inc({ kind: unit.kind, state: unit.isFiller ? 'filler' : 'received' });
    if (!unit.isRandomAccess || unit.kind !== 'video') return;
    const ageMs = clock() - (unit.dts / 90 + this.#utcOffsetUs / 1000);
    metrics.sessionAge.set({ channel: this.channel.name }, ageMs / 1000);
  }

  #endPeriod(ordinal: number, lastK: number): void {
    this.#rings.get(ordinal)?.end();
    this.#open = undefined;
    // A session without a boundary is too short for a source rung, but it is a session.
    if (this.#unplanned !== undefined) this.#plan(undefined);
    this.#dependencies.writer.write({ endPeriod: { ordinal, lastK } });
  }

  #warn(warning: TimelineWarning): void {
    const { metrics, events, logger } = this.#dependencies;
    metrics.warnings.inc({ id: warning.id });
    logger.warn({ sessionId: this.id, id: warning.id, count: warning.count }, warning.message);
    const id = `INGEST_${warning.id.replaceAll('-', '_').toUpperCase()}`;
    events.emit({
      type: 'InputWarning',
      data: { channel: this.channel.name, sessionId: this.id, id, message: warning.message },
    });
  }
}

function requireSegmentDuration(channel: session.Channel): Rational {
  const duration = channel.segmentDurationSeconds;
  if (duration === undefined) throw new RangeError(`channel ${channel.name} has no segment duration`);
  return duration;
}

function toTrack(track: TimelineTrack): session.Track {
  const { config } = track;
  const common = { trackId: track.trackId, timescale: track.timescale, codec: config.codec };
  const decoderConfig = Buffer.from(config.decoderConfig);
  if (config.kind === 'audio') {
    return {
      ...common,
      decoderConfig,
      kind: session.TrackKind.AUDIO,
      width: 0,
      height: 0,
      frameRate: undefined,
      sampleRate: config.sampleRate,
      channelCount: config.channelCount,
      sampleAspectRatio: undefined,
      isInterlaced: false,
    };
  }
  return {
    ...common,
    decoderConfig,
    kind: session.TrackKind.VIDEO,
    width: config.width,
    height: config.height,
    frameRate: track.frameRate,
    sampleRate: 0,
    channelCount: 0,
    sampleAspectRatio: config.sampleAspectRatio,
    isInterlaced: config.isInterlaced,
  };
}
