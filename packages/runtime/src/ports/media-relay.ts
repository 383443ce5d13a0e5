import type { relay } from '@millrace/contracts';

/**
 * Ingest's side of the media path, as a worker sees it.
 *
 * `subscribe` yields the period first, then wall clocks and fragments, last the end; a period that has not begun yet is
 * awaited. A subscriber reads the ring by a cursor, so a slow one costs no memory: it is ended with `LAGGED` when the
 * ring has passed it. Aborting the signal ends the iteration without an error.
 */
export interface MediaRelay {
  subscribe(request: relay.SubscribeRequest, signal: AbortSignal): AsyncIterable<relay.SubscribeResponse>;
  openPeriod(request: relay.OpenPeriodRequest): Promise<relay.OpenPeriodResponse>;
}
