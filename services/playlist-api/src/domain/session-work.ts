import { session } from '@millrace/contracts';
import { hasRoom, ServiceError, unitsOf } from '@millrace/runtime';
import type {
  EventEmitter,
  InstanceRegistration,
  LeaseStore,
  SessionRef,
  UnclaimedSessions,
} from '@millrace/runtime';

/** What says which worker does a session's work, and changes it. */
export interface SessionWorkDependencies {
  readonly leases: Pick<LeaseStore, 'callSuccessor'> & Pick<UnclaimedSessions, 'holderOf'>;
  /** The workers that there are; none inside one process. */
  readonly workers: () => readonly InstanceRegistration[];
  readonly events: EventEmitter;
}

/** Which worker does the work of a session, as people see and move it. */
export class SessionWork {
  readonly #dependencies: SessionWorkDependencies;

  constructor(dependencies: SessionWorkDependencies) {
    this.#dependencies = dependencies;
  }

  /** The worker that has the session; `undefined` while none has, or while that cannot be known. */
  async workerOf(session: SessionRef): Promise<string | undefined> {
    return this.#dependencies.leases.holderOf(session).catch(() => undefined);
  }

  /**
   * Calls for a successor of the session's worker; returns when that has been said, not when it has happened.
   *
   * Throws `PLAYLIST_API_SESSION_NOT_WORKED` and `PLAYLIST_API_NO_CAPACITY`, with which nothing has changed.
   */
  async move(record: session.SessionRecord): Promise<void> {
    const { leases, workers, events } = this.#dependencies;
    const { channel, sessionId, presentation } = record;
    const ref = { channel, sessionId };
    const holder = await leases.holderOf(ref);
    const units = presentation === undefined ? 0 : unitsOf(presentation);
    const isFree = (worker: InstanceRegistration): boolean =>
      worker.id !== holder && !worker.isDraining && hasRoom(worker, units);
    if (holder !== undefined && !workers().some(isFree)) {
      throw new ServiceError(
        'UNAVAILABLE',
        'PLAYLIST_API_NO_CAPACITY',
        'No other worker has room for this session, so it stays where it is: start one, or end a session.',
        { retryable: true },
      );
    }
    if (holder === undefined || !(await leases.callSuccessor(ref))) {
      throw new ServiceError(
        'FAILED_PRECONDITION',
        'PLAYLIST_API_SESSION_NOT_WORKED',
        'No worker has this session, so there is nothing to move: it is taken as soon as one has room.',
      );
    }
    events.emit({ type: 'SuccessorCalled', data: { channel, sessionId, reason: 'move' } });
  }
}
