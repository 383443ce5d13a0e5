import type { sink } from '@millrace/contracts';
import type { Lease, LeaseStore, Logger } from '@millrace/runtime';
import { pause, withDeadline } from './deadline.ts';
import type { Outage } from './outage.ts';

const RENEW_EVERY_MS = 500;
/** Two tries fit into the life of a lease (3 s) with time to spare. */
const CALL_DEADLINE_MS = 1000;

/** What leases are taken and kept with. */
export interface LeaseKeeperDependencies {
  readonly leases: LeaseStore;
  /** The store's, shared by all sessions of the worker. */
  readonly outage: Outage;
  readonly logger: Logger;
}

/**
 * A lease that is held: renewed until it is given up or lost.
 *
 * It is lost when the store says so: another worker has it, or it was given up. A store that is away fences nobody: live sessions go on, and the packager judges by the token.
 */
export class LeaseKeeper {
  readonly lease: Lease;
  readonly #dependencies: LeaseKeeperDependencies;
  readonly #stopping = new AbortController();
  readonly #lost = new AbortController();
  readonly #handedOver = Promise.withResolvers<sink.Position>();
  #isHandedOver = false;
  readonly #renewing: Promise<void>;

  private constructor(lease: Lease, dependencies: LeaseKeeperDependencies) {
    this.lease = lease;
    this.#dependencies = dependencies;
    this.#renewing = this.#renew();
  }

  /** Takes a lease and keeps it; `undefined` when another worker has it. Throws what the store throws, or its silence. */
  static acquire(
    request: Omit<Lease, 'token'>,
    dependencies: LeaseKeeperDependencies,
  ): Promise<LeaseKeeper | undefined> {
    return LeaseKeeper.#taken(dependencies.leases.acquire(request), dependencies);
  }

  /** Takes a lease over as the session's standby and keeps it; `undefined` when this worker does not stand by any more. Throws alike. */
  static takeOver(
    request: Omit<Lease, 'token'>,
    dependencies: LeaseKeeperDependencies,
  ): Promise<LeaseKeeper | undefined> {
    return LeaseKeeper.#taken(dependencies.leases.takeOver(request), dependencies);
  }

  static async #taken(
    taking: Promise<Lease | undefined>,
    dependencies: LeaseKeeperDependencies,
  ): Promise<LeaseKeeper | undefined> {
    try {
      const lease = await withDeadline(taking, { ms: CALL_DEADLINE_MS, what: 'taking a lease' });
      return lease === undefined ? undefined : new LeaseKeeper(lease, dependencies);
    } catch (error) {
      // A lease that comes too late is held by nobody: it is given back, or it would keep everybody out for its life.
      taking
        .then((late) => (late === undefined ? undefined : dependencies.leases.release(late)))
        .catch(() => undefined);
      throw error;
    }
  }

  /** Keeps a lease that the store has just given. */
  static keep(lease: Lease, dependencies: LeaseKeeperDependencies): LeaseKeeper {
    return new LeaseKeeper(lease, dependencies);
  }

  /** Resolves when a successor has the lease, with the position from which on; never otherwise. */
  get handedOver(): Promise<sink.Position> {
    return this.#handedOver.promise;
  }

  /** Aborted when the lease is lost. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Stops renewing and gives the lease up, unless it is lost or handed over; true when it was given up. Never rejects. */
  async release(): Promise<boolean> {
    this.#stopping.abort();
    await this.#renewing;
    if (this.#lost.signal.aborted || this.#isHandedOver) return false;
    const { leases, logger } = this.#dependencies;
    try {
      const releasing = leases.release(this.lease);
      return await withDeadline(releasing, { ms: CALL_DEADLINE_MS, what: 'giving a lease up' });
    } catch (error) {
      logger.warn(
        { err: error, sessionId: this.lease.sessionId },
        'The lease could not be given up; it ends by itself within 3 s',
      );
      return false;
    }
  }

  async #renew(): Promise<void> {
    const { leases, outage, logger } = this.#dependencies;
    const { signal } = this.#stopping;
    let waitMs = RENEW_EVERY_MS;
    while (await pause(waitMs, signal)) {
      try {
        const what = 'renewing a lease';
        const state = await withDeadline(leases.renew(this.lease), { ms: CALL_DEADLINE_MS, what, signal });
        outage.recovered();
        if (state.kind === 'handed-over') {
          this.#isHandedOver = true;
          this.#handedOver.resolve(state.from);
          return;
        }
        if (state.kind === 'lost') {
          logger.warn(
            { sessionId: this.lease.sessionId, token: this.lease.token },
            'The lease is lost to another worker; its output stops, the lease is taken again if it is free',
          );
          this.#lost.abort();
          return;
        }
        waitMs = RENEW_EVERY_MS;
      } catch (error) {
        if (!signal.aborted) waitMs = outage.failed(error);
      }
    }
  }
}
