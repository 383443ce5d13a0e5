import type { twin } from '@millrace/contracts';
import { ServiceError } from '@millrace/runtime';
import type { SessionCopy } from '@millrace/runtime';
import type { SessionDirectory } from '../domain/session-directory.ts';
import { waitInRoom } from '../domain/wait-in-room.ts';
import { WindowCursor } from '../domain/window-cursor.ts';

/** A twin gives up on one that is silent for three times as long. */
const HEARTBEAT_MS = 1000;

/** The copies of this packager's sessions for other packagers. */
export class InProcessSessionCopy implements SessionCopy {
  readonly #directory: SessionDirectory;
  readonly #heartbeatMs: number;

  constructor(directory: SessionDirectory, options: { readonly heartbeatMs?: number } = {}) {
    this.#directory = directory;
    this.#heartbeatMs = options.heartbeatMs ?? HEARTBEAT_MS;
  }

  async *follow({ sessionId }: twin.FollowRequest, signal: AbortSignal): AsyncIterable<twin.FollowResponse> {
    const found = this.#directory.find(sessionId);
    if (found.kind !== 'known' || !found.window.isFilled) {
      // At once, also while it is filled itself: two that wait for each other would wait for ever.
      const value = { isHeld: false, isFed: false, claims: [], renditions: [] };
      yield { payload: { $case: 'header', value } };
      return;
    }
    const { window } = found;
    const cursor = new WindowCursor(window);
    yield { payload: { $case: 'header', value: cursor.header() } };
    let isCaughtUp = false;
    const hasNews = (): boolean => !window.isFilled || window.isFinished || cursor.hasNext;
    while (!signal.aborted) {
      if (!window.isFilled) throw restarted(sessionId);
      const payload = cursor.next();
      if (payload !== undefined) yield { payload };
      else if (!isCaughtUp) {
        isCaughtUp = true;
        yield { payload: { $case: 'caughtUp', value: {} } };
      } else if (window.isFinished) return;
      else if (!(await waitInRoom(window.changes, hasNews, { signal, deadlineMs: this.#heartbeatMs }))) {
        if (signal.aborted || window.changes.isClosed) return;
        yield { payload: { $case: 'heartbeat', value: { isFed: window.hasWriter } } };
      }
    }
  }
}

function restarted(sessionId: string): ServiceError {
  return new ServiceError(
    'UNAVAILABLE',
    'PACKAGER_FILLING',
    `This packager fills session ${sessionId} itself; ask another one, or later`,
  );
}
