import type { segmentIndex, sink } from '@millrace/contracts';
import { ServiceError } from '@millrace/runtime';
import type { SegmentIndex } from '@millrace/runtime';
import type { SessionDirectory } from '../domain/session-directory.ts';
import type { SessionWindow } from '../domain/session-window.ts';
import type { WaiterLimit, WaitEnd, WaitingRoom } from '../domain/waiting-room.ts';

/** Longest single wait; a reader that is still there waits again. */
const WAIT_MS = 60_000;

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
    const isKnown = (): boolean => this.#directory.find(sessionId).kind !== 'unknown';
    if (!(await waitFor(this.#directory.arrivals, isKnown, signal, limit))) return;
    const found = this.#directory.find(sessionId);
    if (found.kind !== 'known') return;
    const { window } = found;
    /** Media sequence number of the last row that was given, by rendition. */
    const given = new Map<string, number>();
    const hasNews = (): boolean => window.isFinished || newRows(window, given).length > 0;
    while (await waitFor(window.waiters, hasNews, signal, limit)) {
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

/** True once the condition holds; false when the signal is aborted or nothing more can happen. */
async function waitFor(
  room: WaitingRoom,
  isReady: () => boolean,
  signal: AbortSignal,
  limit: WaiterLimit,
): Promise<boolean> {
  while (!signal.aborted) {
    if (isReady()) return true;
    if (room.isClosed) return false;
    const how = await new Promise<'ready' | 'deadline' | 'closed' | 'aborted'>((resolve, reject) => {
      const onAbort = (): void => {
        leave?.();
        resolve('aborted');
      };
      const onEnd = (end: WaitEnd): void => {
        signal.removeEventListener('abort', onAbort);
        resolve(end);
      };
      const leave = room.wait(isReady, WAIT_MS, onEnd, limit);
      if (leave === undefined) {
        reject(
          new ServiceError(
            'RESOURCE_EXHAUSTED',
            'PACKAGER_LIMIT',
            'This packager holds as many readers as limits.maxIndexReaders allows.',
          ),
        );
        return;
      }
      signal.addEventListener('abort', onAbort, { once: true });
    });
    if (how === 'closed') return false;
  }
  return false;
}
