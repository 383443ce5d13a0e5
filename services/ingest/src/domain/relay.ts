import { relay } from '@millrace/contracts';
import { marshalFragment } from '@millrace/media';
import type { SegmentStarted, TimelineUnit } from '@millrace/media';
import { ServiceError } from '@millrace/runtime';
import type { MediaRelay } from '@millrace/runtime';
import type { Counter } from 'prom-client';
import type { IngestSession } from './ingest-session.ts';
import type { PeriodRing, RingCursor, RingEntry } from './period-ring.ts';
import type { SessionMedia } from './session-media.ts';

/** A message stays below gRPC's usual limit of 4 MiB, but for a larger access unit. */
const BATCH_BYTES = 1024 * 1024;

/** Serves the sessions of this ingest to workers, from their rings. */
export class Relay implements MediaRelay {
  readonly #sessionOf: (sessionId: string) => IngestSession | undefined;
  readonly #lagged: Counter;

  constructor(options: {
    readonly sessionOf: (sessionId: string) => IngestSession | undefined;
    readonly lagged: Counter;
  }) {
    this.#sessionOf = options.sessionOf;
    this.#lagged = options.lagged;
  }

  async *subscribe(
    request: relay.SubscribeRequest,
    signal: AbortSignal,
  ): AsyncIterable<relay.SubscribeResponse> {
    const media = this.#sessionOf(request.sessionId)?.media;
    // Ingest has forgotten it, or never had it: either way nothing more comes from here.
    if (media === undefined) {
      yield endOf(relay.EndReason.SESSION_ENDED);
      return;
    }
    while (media.newestOrdinal < request.period && !media.hasEnded) {
      if (signal.aborted) return;
      await media.wait(signal);
    }
    if (media.hasEnded) {
      yield endOf(relay.EndReason.SESSION_ENDED);
      return;
    }
    const ring = media.ringOf(request.period);
    const cursor = ring?.seek(request.fromTicks);
    if (ring === undefined || cursor === undefined) {
      yield this.#lag();
      return;
    }
    yield { payload: { $case: 'period', value: ring.period } };
    for (const clock of ring.wallClocksBefore(cursor)) yield wallClockOf(clock);
    yield* this.#follow(media, ring, cursor, signal);
  }

  async openPeriod(request: relay.OpenPeriodRequest): Promise<relay.OpenPeriodResponse> {
    const session = this.#sessionOf(request.sessionId);
    if (session === undefined) {
      throw new ServiceError(
        'NOT_FOUND',
        'INGEST_SESSION_UNKNOWN',
        `Session ${request.sessionId} is not here`,
      );
    }
    return session.requestPeriod(request.reason);
  }

  async *#follow(
    media: SessionMedia,
    ring: PeriodRing,
    cursor: RingCursor,
    signal: AbortSignal,
  ): AsyncIterable<relay.SubscribeResponse> {
    let sequenceNumber = cursor.next;
    while (!signal.aborted) {
      const isLast = ring.hasEnded;
      const ready = ring.read(cursor, BATCH_BYTES);
      if (ready === undefined) {
        yield this.#lag();
        return;
      }
      for (const [units, clock] of bySegment(ready)) {
        if (clock !== undefined) yield wallClockOf(clock);
        const fragments = units.map((unit) => fragmentOf(unit, (sequenceNumber += 1)));
        if (fragments.length > 0) yield { payload: { $case: 'fragments', value: { fragments } } };
      }
      if (ready.length > 0) continue;
      if (isLast) {
        yield endOf(media.hasEnded ? relay.EndReason.SESSION_ENDED : relay.EndReason.PERIOD_ENDED);
        return;
      }
      await ring.wait(signal);
    }
  }

  #lag(): relay.SubscribeResponse {
    this.#lagged.inc();
    return endOf(relay.EndReason.LAGGED);
  }
}

/** Access units with the wall clock that came in front of them, if one did. */
function bySegment(
  entries: readonly RingEntry[],
): readonly (readonly [units: TimelineUnit[], clock: SegmentStarted | undefined])[] {
  let current: [TimelineUnit[], SegmentStarted | undefined] = [[], undefined];
  const groups = [current];
  for (const entry of entries) {
    if (entry.type === 'unit') current[0].push(entry);
    else groups.push((current = [[], entry]));
  }
  return groups;
}

/** The boxes are made for who reads them: most access units are read once, and live beside the ring for a moment only. */
function fragmentOf(unit: TimelineUnit, sequenceNumber: number): relay.Fragment {
  const { trackId, dts, compositionOffset, duration, isRandomAccess, isFiller } = unit;
  const sample = { duration, compositionOffset, isSync: isRandomAccess, data: unit.data };
  const data = marshalFragment({ trackId, baseMediaDecodeTime: dts, samples: [sample] }, sequenceNumber);
  return { trackId, dts, compositionOffset, duration, isRandomAccess, isFiller, data };
}

function wallClockOf({ k, utcOffsetUs }: SegmentStarted): relay.SubscribeResponse {
  return { payload: { $case: 'wallClock', value: { k, utcOffsetUs } } };
}

function endOf(reason: relay.EndReason): relay.SubscribeResponse {
  return { payload: { $case: 'end', value: { reason } } };
}
