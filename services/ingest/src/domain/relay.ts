import { relay } from '@millrace/contracts';
import { ServiceError } from '@millrace/runtime';
import type { MediaRelay } from '@millrace/runtime';
import type { Counter } from 'prom-client';
import type { IngestSession } from './ingest-session.ts';
import type { PeriodRing, RingCursor, RingEntry } from './period-ring.ts';

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
    const session = this.#sessionOf(request.sessionId);
    // Ingest has forgotten it, or never had it: either way nothing more comes from here.
    if (session === undefined) {
      yield end(relay.EndReason.SESSION_ENDED);
      return;
    }
    while (session.ringOf(request.period) === undefined) {
      if (signal.aborted) return;
      if (session.hasEnded) {
        yield end(relay.EndReason.SESSION_ENDED);
        return;
      }
      if (session.newestOrdinal > request.period) {
        yield this.#lag();
        return;
      }
      await session.waitForPeriod(signal);
    }
    const ring = session.ringOf(request.period);
    const cursor = ring?.seek(request.fromTicks);
    if (ring === undefined || cursor === undefined) {
      yield this.#lag();
      return;
    }
    yield { payload: { $case: 'period', value: ring.period } };
    for (const value of ring.wallClocksBefore(cursor)) yield { payload: { $case: 'wallClock', value } };
    yield* this.#follow(ring, cursor, signal);
  }

  async openPeriod(request: relay.OpenPeriodRequest): Promise<relay.OpenPeriodResponse> {
    const session = this.#sessionOf(request.sessionId);
    if (session === undefined || session.hasEnded) {
      throw new ServiceError(
        'NOT_FOUND',
        'INGEST_SESSION_UNKNOWN',
        `Session ${request.sessionId} is not here`,
      );
    }
    session.timeline.requestPeriod('worker-request');
    return { period: session.newestOrdinal + 1, firstK: session.nextK };
  }

  async *#follow(
    ring: PeriodRing,
    cursor: RingCursor,
    signal: AbortSignal,
  ): AsyncIterable<relay.SubscribeResponse> {
    while (!signal.aborted) {
      const isLast = ring.hasEnded;
      const ready = ring.read(cursor);
      if (ready === undefined) {
        yield this.#lag();
        return;
      }
      yield* batches(ready);
      if (isLast) {
        yield end(relay.EndReason.PERIOD_ENDED);
        return;
      }
      if (ready.length === 0) await ring.wait(signal);
    }
  }

  #lag(): relay.SubscribeResponse {
    this.#lagged.inc();
    return end(relay.EndReason.LAGGED);
  }
}

/** All access units between two wall clocks in one message. */
function* batches(entries: readonly RingEntry[]): Iterable<relay.SubscribeResponse> {
  let fragments: relay.Fragment[] = [];
  for (const entry of entries) {
    if (entry.kind === 'fragment') {
      fragments.push(entry.fragment);
      continue;
    }
    if (fragments.length > 0) yield { payload: { $case: 'fragments', value: { fragments } } };
    fragments = [];
    yield { payload: { $case: 'wallClock', value: entry.wallClock } };
  }
  if (fragments.length > 0) yield { payload: { $case: 'fragments', value: { fragments } } };
}

function end(reason: relay.EndReason): relay.SubscribeResponse {
  return { payload: { $case: 'end', value: { reason } } };
}
