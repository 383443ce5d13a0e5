import { relay } from '@millrace/contracts';
import { marshalFragment } from '@millrace/media';
import type { SegmentStarted } from '@millrace/media';
import type { MediaRelay } from '@millrace/runtime';
import type { Counter, Gauge } from 'prom-client';
import type { IngestSession } from './ingest-session.ts';
import type { PeriodRing, RingCursor } from './period-ring.ts';
import { endedSession, unknownSession } from './session-errors.ts';
import type { SessionMedia } from './session-media.ts';
import type { RingEntry, StoredUnit } from './unit-store.ts';

/** A message stays below gRPC's usual limit of 4 MiB, but for a larger access unit. */
const BATCH_BYTES = 1024 * 1024;

/** The sessions that a relay serves. */
export interface RelaySessions {
  /** A session whose media this ingest holds. */
  get(sessionId: string): IngestSession | undefined;
  /** True for a session that is known to be over. */
  hasEnded(sessionId: string): boolean;
}

/**
 * Serves the sessions of this ingest to workers, from their rings.
 *
 * Both calls throw `INGEST_SESSION_UNKNOWN` for a session that is not here and not known to be over.
 */
export class Relay implements MediaRelay {
  readonly #sessions: RelaySessions;
  readonly #lagged: Counter;
  readonly #subscriptions: Gauge;

  constructor(options: {
    readonly sessions: RelaySessions;
    readonly lagged: Counter;
    readonly subscriptions: Gauge;
  }) {
    this.#sessions = options.sessions;
    this.#lagged = options.lagged;
    this.#subscriptions = options.subscriptions;
  }

  async *subscribe(
    request: relay.SubscribeRequest,
    signal: AbortSignal,
  ): AsyncIterable<relay.SubscribeResponse> {
    const media = this.#sessions.get(request.sessionId)?.media;
    if (media === undefined) {
      if (!this.#sessions.hasEnded(request.sessionId)) throw unknownSession(request.sessionId);
      yield endOf(relay.EndReason.SESSION_ENDED);
      return;
    }
    this.#subscriptions.inc();
    try {
      yield* this.#serve(media, request, signal);
    } finally {
      this.#subscriptions.dec();
    }
  }

  async openPeriod(request: relay.OpenPeriodRequest): Promise<relay.OpenPeriodResponse> {
    const session = this.#sessions.get(request.sessionId);
    if (session === undefined) {
      const { sessionId } = request;
      throw this.#sessions.hasEnded(sessionId) ? endedSession(sessionId) : unknownSession(sessionId);
    }
    return session.requestPeriod(request.afterPeriod, request.reason);
  }

  async *#serve(
    media: SessionMedia,
    request: relay.SubscribeRequest,
    signal: AbortSignal,
  ): AsyncIterable<relay.SubscribeResponse> {
    while (media.newestOrdinal < request.period && media.ended === undefined) {
      if (signal.aborted) return;
      await media.wait(signal);
    }
    if (media.newestOrdinal < request.period) {
      yield this.#endOf(media);
      return;
    }
    const ring = media.ringOf(request.period);
    const cursor = ring?.seek(request.fromTicks);
    if (ring === undefined || cursor === undefined) {
      yield this.#pass(media);
      return;
    }
    yield { payload: { $case: 'period', value: ring.period } };
    for (const clock of ring.wallClocksBefore(cursor)) yield wallClockOf(clock);
    yield* this.#follow(media, ring, cursor, signal);
  }

  async *#follow(
    media: SessionMedia,
    ring: PeriodRing,
    cursor: RingCursor,
    signal: AbortSignal,
  ): AsyncIterable<relay.SubscribeResponse> {
    const writer = new MessageWriter(cursor.next);
    while (!signal.aborted) {
      const isLast = ring.hasEnded;
      const ready = ring.read(cursor, BATCH_BYTES);
      if (ready === undefined || media.isFreed) {
        yield this.#pass(media);
        return;
      }
      if (ready.length > 0) {
        // All of them are made before the first is given out: their data holds for this turn only.
        yield* writer.marshal(ready);
      } else if (isLast) {
        const isOver = media.ended === 'session-ended' && ring.period.ordinal === media.newestOrdinal;
        yield endOf(isOver ? relay.EndReason.SESSION_ENDED : relay.EndReason.PERIOD_ENDED);
        return;
      } else {
        // In the same turn as the read that found nothing, or what comes in between would wake nobody.
        await ring.wait(signal);
      }
    }
  }

  /** The media are not kept any more: all of them are gone, or only those the reader wanted. */
  #pass(media: SessionMedia): relay.SubscribeResponse {
    if (media.isFreed) return this.#endOf(media);
    this.#lagged.inc();
    return endOf(relay.EndReason.LAGGED);
  }

  #endOf(media: SessionMedia): relay.SubscribeResponse {
    return endOf(media.ended === 'moved' ? relay.EndReason.MOVED : relay.EndReason.SESSION_ENDED);
  }
}

/** Makes the messages of one subscription. */
class MessageWriter {
  #sequenceNumber: number;

  constructor(sequenceNumber: number) {
    this.#sequenceNumber = sequenceNumber;
  }

  /** Wall clocks, each in front of the access units that came after it, which share one message. */
  marshal(entries: readonly RingEntry[]): readonly relay.SubscribeResponse[] {
    const messages: relay.SubscribeResponse[] = [];
    let fragments: relay.Fragment[] = [];
    for (const entry of entries) {
      if (entry.type === 'segment-started') {
        messages.push(wallClockOf(entry));
        fragments = [];
        continue;
      }
      if (fragments.length === 0) messages.push({ payload: { $case: 'fragments', value: { fragments } } });
      fragments.push(this.#fragmentOf(entry));
    }
    return messages;
  }

  #fragmentOf(unit: StoredUnit): relay.Fragment {
    const { trackId, dts, compositionOffset, duration, isRandomAccess, isFiller } = unit;
    this.#sequenceNumber += 1;
    const sample = { duration, compositionOffset, isSync: isRandomAccess, data: unit.data };
    const data = marshalFragment(
      { trackId, baseMediaDecodeTime: dts, samples: [sample] },
      this.#sequenceNumber,
    );
    return { trackId, dts, compositionOffset, duration, isRandomAccess, isFiller, data };
  }
}

function wallClockOf({ k, utcOffsetUs }: SegmentStarted): relay.SubscribeResponse {
  return { payload: { $case: 'wallClock', value: { k, utcOffsetUs } } };
}

function endOf(reason: relay.EndReason): relay.SubscribeResponse {
  return { payload: { $case: 'end', value: { reason } } };
}
