import type { session } from '@millrace/contracts';
import type { Clock, InstanceRegistration, Logger, SessionCopies } from '@millrace/runtime';
import type { Residence } from './session-directory.ts';
import { SessionReplica } from './session-replica.ts';
import type { ReplicaObserver } from './session-replica.ts';
import type { SessionWindow } from './session-window.ts';

/** What a packager needs to share sessions with others. */
export interface Twins {
  /** This packager's instance id. */
  readonly instance: string;
  /** The packagers that were heard of within the last seconds, this one included. */
  readonly packagers: () => readonly InstanceRegistration[];
  readonly copies: SessionCopies;
}

/** The sessions of this packager, each kept in step with its twin. */
export class Replicas implements Residence {
  readonly #options: Twins & {
    readonly clock: Clock;
    readonly logger: Logger;
    readonly observer: ReplicaObserver;
  };
  readonly #replicas = new Map<string, SessionReplica>();
  readonly #ending = new Set<Promise<void>>();

  constructor(
    options: Twins & { readonly clock: Clock; readonly logger: Logger; readonly observer: ReplicaObserver },
  ) {
    this.#options = options;
  }

  isResident({ placement }: session.SessionRecord): boolean {
    return placement?.packagers.some(({ id }) => id === this.#options.instance) === true;
  }

  onAdded(window: SessionWindow): void {
    const { packagers, ...options } = this.#options;
    const replica = new SessionReplica({
      ...options,
      window,
      isRegistered: (id) => packagers().some((packager) => packager.id === id),
    });
    this.#replicas.set(window.id, replica);
    replica.start();
  }

  onRemoved(window: SessionWindow): void {
    const replica = this.#replicas.get(window.id);
    if (replica === undefined) return;
    this.#replicas.delete(window.id);
    const ending = replica.stop().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  /** Ends every copy. */
  async stop(): Promise<void> {
    await Promise.all([...this.#ending, ...[...this.#replicas.values()].map((replica) => replica.stop())]);
  }
}
