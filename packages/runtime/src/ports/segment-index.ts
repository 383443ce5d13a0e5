import type { segmentIndex } from '@millrace/contracts';

/**
 * The rows of a session: first the complete rows of the window, then new ones as they are completed.
 *
 * Ends when the session has ended and its last row was given, or when the signal is aborted. A session that the
 * packager does not know yet is awaited.
 */
export interface SegmentIndex {
  watch(request: segmentIndex.WatchRequest, signal: AbortSignal): AsyncIterable<segmentIndex.WatchResponse>;
}
