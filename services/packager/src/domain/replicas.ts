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
  /** How long after a copy ended it is asked for again; 250 ms when absent. */
  readonly retryMs?: number;
}

const LOOK_MS = 500;
/** A process that stood still for so long (SIGSTOP, a suspended host) may have missed what its twin has. */
const STANDSTILL_MS = 2500;

/** The sessions of this packager, each kept in step with its twin. */
export class Replicas implements Residence {
  readonly #options: Twins & {
    readonly clock: Clock;
    readonly logger: Logger;
    readonly observer: ReplicaObserver;
  };
  readonly #replicas = new Map<string, SessionReplica>();
  readonly #windows = new Set<SessionWindow>();
  #lookedAtMs = performance.now();
  #timer: NodeJS.Timeout | undefined;
  readonly #ending = new Set<Promise<void>>();

  constructor(
    options: Twins & { readonly clock: Clock; readonly logger: Logger; readonly observer: ReplicaObserver },
  ) {
    this.#options = options;
  }

  /** Begins to look for standstills of this process. Timers come before requests when it goes on. */
  start(): void {
    this.#lookedAtMs = performance.now();
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
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
    this.#windows.add(window);
    replica.start();
  }

  onRemoved(window: SessionWindow): void {
    const replica = this.#replicas.get(window.id);
    this.#windows.delete(window);
    if (replica === undefined) return;
    this.#replicas.delete(window.id);
    const ending = replica.stop().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  #look(): void {
    const nowMs = performance.now();
    const gapMs = nowMs - this.#lookedAtMs;
    this.#lookedAtMs = nowMs;
    if (gapMs < STANDSTILL_MS || this.#windows.size === 0) return;
    this.#options.logger.warn(
      { gapMs: Math.round(gapMs), sessions: this.#windows.size },
      'This process stood still; its sessions are answered by their twins until they are in step again',
    );
    for (const window of this.#windows) if (!window.isFinished) window.doubt();
  }

  /** Ends every copy. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all([...this.#ending, ...[...this.#replicas.values()].map((replica) => replica.stop())]);
  }
}
