import type { segmentIndex, sink } from '@millrace/contracts';
import type { SegmentIndex } from '@millrace/runtime';
import type { SessionDirectory } from '../domain/session-directory.ts';
import type { SessionWindow } from '../domain/session-window.ts';
import { waitInRoom } from '../domain/wait-in-room.ts';

/**
 * The segment index for readers of the same process.
 *
 * A reader is a cursor over the rows that are held, not a queue: a slow one costs nothing and misses what slid out.
 */
export class InProcessSegmentIndex implements SegmentIndex {
  readonly #directory: SessionDirectory;

  constructor(directory: SessionDirectory) {
    this.#directory = directory;
  }

  async *watch(
    request: segmentIndex.WatchRequest,
    signal: AbortSignal,
  ): AsyncIterable<segmentIndex.WatchResponse> {
    const { sessionId } = request;
    const limit = this.#directory.readerLimit;
    const window = await this.#directory.held(sessionId, { signal, limit });
    if (window === undefined) return;
    /** Media sequence number of the last row that was given, by rendition. */
    const given = new Map<string, number>();
    const hasNews = (): boolean => window.isFinished || newRows(window, given).length > 0;
    while (await waitInRoom(window.waiters, hasNews, { signal, limit })) {
      const rows = newRows(window, given);
      for (const row of rows) given.set(row.renditionId, row.msn);
      if (rows.length > 0) yield { rows };
      // Rows may have come while the reader was busy with these.
      else if (window.isFinished) return;
    }
  }
}

function newRows(window: SessionWindow, given: ReadonlyMap<string, number>): sink.Row[] {
  const rows: sink.Row[] = [];
  for (const rendition of window.renditions) {
    const lastGiven = given.get(rendition.renditionId) ?? -1;
    if ((rendition.lastComplete?.msn ?? -1) <= lastGiven) continue;
    for (const segment of rendition.window()) if (segment.msn > lastGiven) rows.push(segment.toRow());
  }
  return rows;
}
