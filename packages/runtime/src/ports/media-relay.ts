import type { relay } from '@millrace/contracts';

/**
 * Ingest's side of the media path, as a worker sees it.
 *
 * `subscribe` yields the period first, then wall clocks and fragments, last the end; a period that has not begun yet is
 * awaited. A subscriber reads the ring by a cursor, so a slow one costs no memory: it is ended with `LAGGED` when the
 * ring has passed it. All that is retained comes before `PERIOD_ENDED` and `SESSION_ENDED`; `MOVED` says that the period is
 * another ingest's. Aborting the signal ends the iteration without an error and frees the subscription, as leaving it does.
 *
 * `openPeriod` answers when the period has begun and is recorded. Both throw `INGEST_SESSION_UNKNOWN` (`NOT_FOUND`) for a
 * session that is not there, `openPeriod` also `INGEST_SESSION_ENDED` and `INGEST_SESSION_MOVED` (`FAILED_PRECONDITION`) and
 * `INGEST_PERIOD_NOT_OPENED` (`DEADLINE_EXCEEDED`, retryable) when no IDR comes.
 */
export interface MediaRelay {
  subscribe(request: relay.SubscribeRequest, signal: AbortSignal): AsyncIterable<relay.SubscribeResponse>;
  openPeriod(request: relay.OpenPeriodRequest): Promise<relay.OpenPeriodResponse>;
}
