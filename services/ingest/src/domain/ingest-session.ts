import { session } from '@millrace/contracts';
import type { relay } from '@millrace/contracts';
import { SessionTimeline } from '@millrace/media';
import type {
  AudioConfig,
  PeriodOpened,
  Rational,
  SegmentStarted,
  SessionTimelineOptions,
  TimelineEvent,
  TrackConfig,
  WireUnit,
} from '@millrace/media';
import { choosePackagers, ServiceError } from '@millrace/runtime';
import type { Clock, EventEmitter, InstanceRegistration, Logger, SessionChange } from '@millrace/runtime';
import type { IngestMetrics } from '../metrics.ts';
import type { EncoderMetadata } from './encoder-metadata.ts';
import type { RingBounds } from './period-ring.ts';
import type { RecordWriter } from './record-writer.ts';
import { endedSession, movedSession, periodNotOpened } from './session-errors.ts';
import { SessionMedia } from './session-media.ts';
import type { MediaEnd } from './session-media.ts';
import { SessionMeter } from './session-meter.ts';
import { SessionOpening } from './session-opening.ts';
import type { SlabPool } from './slab-pool.ts';
import { toTrack } from './session-track.ts';
import { audioConfigOf, DEFAULT_AUDIO } from './track-config.ts';

/** What a session of ingest is built on. */
export interface IngestSessionDependencies {
  readonly clock: Clock;
  readonly events: EventEmitter;
  readonly logger: Logger;
  readonly metrics: IngestMetrics;
  readonly writer: RecordWriter;
  readonly ring: RingBounds;
  readonly pool: SlabPool;
  /** The packagers that there are; none inside one process, where the session needs no placement. */
  readonly packagers: () => readonly InstanceRegistration[];
}

/** How long a worker that asked for a period waits for the IDR it begins with. */
const PERIOD_WAIT_MS = 10_000;
/** The same warning is not repeated to people sooner. */
const WARNING_INTERVAL_MS = 60_000;

/**
 * One live session as ingest has it: its timeline, the recent media of its periods, and what of it goes into the record.
 *
 * Outlives publications; its owner ends it when the record says `ended`.
 */
export class IngestSession {
  readonly id: string;
  readonly channel: session.Channel;
  readonly media: SessionMedia;
  readonly #dependencies: IngestSessionDependencies;
  readonly #timeline: SessionTimeline;
  readonly #opening: SessionOpening;
  readonly #meter: SessionMeter;
  readonly #warnedAtMs = new Map<string, number>();
  #newestPeriod: session.Period | undefined;
  /** The session's packagers were chosen, here or before. */
  #isPlaced: boolean;

  constructor(
    record: session.SessionRecord,
    channel: session.Channel,
    dependencies: IngestSessionDependencies,
  ) {
    this.id = record.sessionId;
    this.channel = channel;
    this.#dependencies = dependencies;
    const resume = resumeOf(record, channel);
    this.media = new SessionMedia(dependencies.ring, dependencies.pool, (resume?.nextOrdinal ?? 0) - 1);
    this.#opening = new SessionOpening(channel, record.presentation !== undefined);
    this.#isPlaced = record.placement !== undefined;
    this.#meter = new SessionMeter(channel.name, this.id, dependencies.metrics);
    this.#timeline = new SessionTimeline({
      segmentDurationSeconds: channel.segmentFromSource ? 'source' : requireSegmentDuration(channel),
      graceSeconds: channel.graceSeconds,
      isVariableFrameRate: channel.isVariableFrameRate,
      defaultAudio: recordedAudio(record) ?? DEFAULT_AUDIO,
      ...(resume === undefined ? {} : { resume }),
    });
  }

  /** An encoder begins to publish; whoever published before it has ended. */
  beginPublication(reason: 'reconnect' | 'takeover' | 'failover'): void {
    this.#take(this.#timeline.beginPublication(this.#dependencies.clock(), reason));
  }

  /** Takes what `onMetaData` says. */
  setMetadata(metadata: EncoderMetadata): void {
    this.#opening.metadata = metadata;
    this.#timeline.setMetadata(metadata);
  }

  /** Takes a configuration; returns how many access units came of it. */
  configure(config: TrackConfig, arrivalMs: number): number {
    return this.#take(this.#timeline.configure(config, arrivalMs));
  }

  /** Takes an access unit; returns how many came of it: none that is held back, or also those that fill a hole. */
  push(unit: WireUnit, arrivalMs: number): number {
    return this.#take(this.#timeline.push(unit, arrivalMs));
  }

  /** Lets deadlines of the timeline pass while nothing comes. */
  tick(nowMs: number): void {
    this.#take(this.#timeline.tick(nowMs));
  }

  endPublication(): void {
    this.#take(this.#timeline.endPublication(this.#dependencies.clock()));
  }

  /**
   * Begins a new period at the next IDR, unless one after `ordinal` is there already or an encoder that has just come is about to
   * begin one; says which when it has begun and is recorded.
   */
  async requestPeriod(ordinal: number, reason: string): Promise<relay.OpenPeriodResponse> {
    const { logger, writer } = this.#dependencies;
    const hasBegun = (): boolean => this.media.newestOrdinal > ordinal;
    logger.info(
      { sessionId: this.id, ordinal, hasBegun: hasBegun(), reason },
      'A worker asks for a new period',
    );
    if (!hasBegun()) this.#timeline.requestPeriod('worker-request');
    const signal = AbortSignal.timeout(PERIOD_WAIT_MS);
    while (!hasBegun() && this.media.ended === undefined && !signal.aborted) await this.media.wait(signal);
    const period = this.#newestPeriod;
    if (period === undefined || period.ordinal <= ordinal) throw this.#noPeriod();
    await writer.settled(signal);
    return { period: period.ordinal, firstK: period.firstK };
  }

  #noPeriod(): ServiceError {
    switch (this.media.ended) {
      case undefined:
        return periodNotOpened(this.id, PERIOD_WAIT_MS);
      case 'moved':
        return movedSession(this.id);
      case 'session-ended':
        return endedSession(this.id);
    }
  }

  /** Counts something that the encoder's owner should hear about, and says it to them now and then. */
  warn(id: string, message: string, count = 1): void {
    const { clock, metrics, events, logger } = this.#dependencies;
    metrics.warnings.inc({ id }, count);
    const nowMs = clock();
    if (nowMs - (this.#warnedAtMs.get(id) ?? -Infinity) < WARNING_INTERVAL_MS) return;
    this.#warnedAtMs.set(id, nowMs);
    logger.warn({ sessionId: this.id, id, count }, message);
    events.emit({
      type: 'InputWarning',
      data: { channel: this.channel.name, sessionId: this.id, id, message },
    });
  }

  /** Brings counters and the age up to date; about once a second is enough. */
  report(nowMs: number): void {
    this.#meter.report(nowMs);
  }

  /** Nothing more comes: readers are told once they have read what is kept, which stays until it is freed. */
  end(reason: MediaEnd): void {
    this.#meter.end();
    this.media.end(reason);
  }

  /** Carries out what the timeline has decided; returns the number of access units. */
  #take(events: readonly TimelineEvent[]): number {
    let units = 0;
    for (const event of events) {
      switch (event.type) {
        case 'unit':
          this.media.append(event);
          this.#meter.count(event);
          units += 1;
          break;
        case 'segment-started':
          this.#startSegment(event);
          break;
        case 'boundary':
          this.#prepare(this.#opening.reachBoundary(event));
          break;
        case 'period-opened':
          this.#openPeriod(event);
          break;
        case 'period-ended':
          this.media.endPeriod();
          // A session without a boundary is too short for a source rung, but it is a session.
          this.#prepare(this.#opening.endPeriod());
          this.#dependencies.writer.write({ endPeriod: { ordinal: event.ordinal, lastK: event.lastK } });
          break;
        case 'warning':
          this.warn(`INGEST_${event.id.replaceAll('-', '_').toUpperCase()}`, event.message, event.count);
          break;
      }
    }
    return units;
  }

  #openPeriod(opened: PeriodOpened): void {
    const { metrics, events, logger, writer } = this.#dependencies;
    const { ordinal, firstK, startTicks, reason } = opened;
    const period: session.Period = {
      ordinal,
      firstK,
      startTicks,
      tracks: opened.tracks.map(toTrack),
      reason,
    };
    this.#newestPeriod = period;
    this.media.openPeriod(period);
    this.#opening.openPeriod(period, opened.segmentDuration);
    this.#meter.openPeriod(period);
    writer.write({ openPeriod: period, currentK: firstK });
    metrics.periods.inc({ reason });
    events.emit({ type: 'PeriodOpened', data: { channel: this.channel.name, sessionId: this.id, period } });
    logger.info({ sessionId: this.id, period: ordinal, reason, k: firstK }, 'Period opened');
  }

  #startSegment(segment: SegmentStarted): void {
    this.media.append(segment);
    this.#meter.startSegment(segment);
    this.#dependencies.writer.write({ currentK: segment.k, ...this.#place() });
    this.#prepare(this.#opening.startSegment(segment));
  }

  /** Chooses the session's packagers, with each segment anew until there are some. */
  #place(): Pick<SessionChange, 'packagers'> {
    if (this.#isPlaced) return {};
    const packagers = choosePackagers(this.id, this.#dependencies.packagers());
    this.#isPlaced = packagers.length > 0;
    return this.#isPlaced ? { packagers } : {};
  }

  #prepare(presentation: session.Presentation | undefined): void {
    if (presentation === undefined) return;
    const { writer, events, logger } = this.#dependencies;
    writer.write({ presentation });
    events.emit({
      type: 'SessionPrepared',
      data: { channel: this.channel.name, sessionId: this.id, presentation },
    });
    const renditions = presentation.renditions.map((rendition) => rendition.id);
    logger.info({ sessionId: this.id, renditions }, 'Session prepared');
  }
}

function requireSegmentDuration(channel: session.Channel): Rational {
  const duration = channel.segmentDurationSeconds;
  if (duration === undefined) {
    throw new ServiceError(
      'FAILED_PRECONDITION',
      'INGEST_CHANNEL_INVALID',
      `Channel ${channel.name} has no segment duration: set one`,
    );
  }
  return duration;
}

/** Where the timeline of a session goes on that another process began, also one that did not come to plan its presentation. */
function resumeOf(
  { periods, currentK, presentation }: session.SessionRecord,
  channel: session.Channel,
): SessionTimelineOptions['resume'] {
  const newest = periods.at(-1);
  if (newest === undefined) return undefined;
  const segmentDuration =
    presentation?.segmentDurationSeconds ??
    (channel.segmentFromSource ? undefined : requireSegmentDuration(channel));
  const has = (kind: session.TrackKind): boolean =>
    (presentation?.renditions ?? newest.tracks).some((track) => track.kind === kind);
  return {
    lastK: Math.max(currentK, newest.lastK ?? newest.firstK),
    isLastKFinal: newest.lastK !== undefined,
    nextOrdinal: newest.ordinal + 1,
    hasVideo: has(session.TrackKind.VIDEO),
    hasAudio: has(session.TrackKind.AUDIO),
    ...(segmentDuration === undefined ? {} : { segmentDuration }),
  };
}

/** The configuration that audio had last: when it is late again, it needs no period of its own. */
function recordedAudio({ periods }: session.SessionRecord): AudioConfig | undefined {
  const recorded = periods.at(-1)?.tracks.find(({ kind }) => kind === session.TrackKind.AUDIO);
  return recorded === undefined || recorded.decoderConfig.length === 0
    ? undefined
    : audioConfigOf(recorded.decoderConfig);
}
