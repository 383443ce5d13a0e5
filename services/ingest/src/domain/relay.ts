import { relay } from '@millrace/contracts';
import { marshalFragment } from '@millrace/media';
import type { SegmentStarted } from '@millrace/media';
import { ServiceError } from '@millrace/runtime';
import type { MediaRelay } from '@millrace/runtime';
import type { Counter } from 'prom-client';
import type { IngestSession } from './ingest-session.ts';
import type { PeriodRing, RingCursor } from './period-ring.ts';
import type { SessionMedia } from './session-media.ts';
import type { RingEntry, StoredUnit } from './unit-store.ts';

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
    const writer = new MessageWriter(cursor.next);
    while (!signal.aborted) {
      const isLast = ring.hasEnded;
      if (media.hasEnded) {
        yield endOf(relay.EndReason.SESSION_ENDED);
        return;
      }
      const ready = ring.read(cursor, BATCH_BYTES);
      if (ready === undefined) {
        yield this.#lag();
        return;
      }
      if (ready.length > 0) {
        // All of them are made before the first is given out: their data holds for this turn only.
        yield* writer.marshal(ready);
      } else if (isLast) {
        yield endOf(relay.EndReason.PERIOD_ENDED);
        return;
      } else {
        // In the same turn as the read that found nothing, or what comes in between would wake nobody.
        await ring.wait(signal);
      }
    }
  }

  #lag(): relay.SubscribeResponse {
    this.#lagged.inc();
    return endOf(relay.EndReason.LAGGED);
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
