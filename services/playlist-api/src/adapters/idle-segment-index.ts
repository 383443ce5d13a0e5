import type { segmentIndex } from '@millrace/contracts';
import type { SegmentIndex } from '@millrace/runtime';

/** The segment index of a process without a packager: every session is awaited, none ever gets a row. */
export class IdleSegmentIndex implements SegmentIndex {
  async *watch(
    _request: segmentIndex.WatchRequest,
    signal: AbortSignal,
  ): AsyncIterable<segmentIndex.WatchResponse> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    yield* [];
  }
}
