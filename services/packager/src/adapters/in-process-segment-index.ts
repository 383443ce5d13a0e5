import type { segmentIndex, sink } from '@millrace/contracts';
import type { SegmentIndex } from '@millrace/runtime';
import type { SessionDirectory } from '../domain/session-directory.ts';
import type { RenditionWindow } from '../domain/rendition-window.ts';
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
    const { sessionId, withParts } = request;
    const limit = this.#directory.readerLimit;
    const window = await this.#directory.held(sessionId, { signal, limit });
    if (window === undefined) return;
    /** What the reader has of each rendition. */
    const given = new Map<string, Given>();
    const newRows = (): sink.Row[] =>
      [...window.renditions].flatMap((rendition) =>
        newRowsOf(rendition, given.get(rendition.renditionId) ?? NOTHING, withParts),
      );
    const hasNews = (): boolean => window.isFinished || newRows().length > 0;
    const room = withParts ? window.changes : window.waiters;
    while (await waitInRoom(room, hasNews, { signal, limit })) {
      const rows = newRows();
      for (const { renditionId, msn, isComplete, parts } of rows)
        given.set(renditionId, isComplete ? { msn, parts: 0 } : { msn: msn - 1, parts: parts.length });
      if (rows.length > 0) yield { rows };
      // Rows may have come while the reader was busy with these.
      else if (window.isFinished) return;
    }
  }
}

/** What a reader has of a rendition: every complete row up to a media sequence number, and parts of the row after it. */
interface Given {
  readonly msn: number;
  readonly parts: number;
}

const NOTHING: Given = { msn: -1, parts: 0 };

function newRowsOf(rendition: RenditionWindow, { msn, parts }: Given, withParts: boolean): sink.Row[] {
  const hasRow = (rendition.lastComplete?.msn ?? -1) > msn;
  const rows = hasRow ? rendition.window().filter((segment) => segment.msn > msn) : [];
  const open = withParts ? rendition.incomplete : undefined;
  const hasPart = open !== undefined && (open.msn > msn + 1 || hasRow || open.parts.length > parts);
  return [...rows, ...(hasPart ? [open] : [])].map((segment) => segment.toRow());
}
