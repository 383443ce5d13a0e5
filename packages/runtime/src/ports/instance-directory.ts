/** The services whose instances others look for. */
export type InstanceKind = 'ingest' | 'worker' | 'packager';

/** What an instance says of itself. */
export interface InstanceRegistration {
  readonly kind: InstanceKind;
  /** The instance's id, unique within its kind: `[A-Za-z0-9._-]{1,128}`. */
  readonly id: string;
  /** Tells this process from others that call themselves the same, before it or beside it. */
  readonly runId: string;
  /** Where its port is reached, `host:port`; empty for one that nobody calls. */
  readonly address: string;
  /** Where its public HTTP is reached by other instances, `host:port`; absent for one that has none. */
  readonly httpAddress?: string | undefined;
  /** How much it can bear, in the units of its kind. */
  readonly capacityUnits: number;
  /** How much of that is in use. */
  readonly loadUnits: number;
  /** True when it takes nothing new, because it is about to stop. */
  readonly isDraining: boolean;
}

/**
 * Who is there: each instance registers itself, again every second; a registration that is not renewed lasts 3 s.
 *
 * A registration says that an instance was heard of, not that it lives: whoever acts on an absence waits longer than the TTL.
 */
export interface InstanceDirectory {
  /**
   * Registers an instance, or renews and changes what it said; returns what was registered under its id. Rejects with
   * `INVALID_ARGUMENT` for an id that is none.
   */
  register(registration: InstanceRegistration): Promise<InstanceRegistration | undefined>;
  /** Takes a registration back. No effect when there is none. */
  unregister(kind: InstanceKind, id: string): Promise<void>;
  /** The instances of a kind, in the order of their ids. */
  list(kind: InstanceKind): Promise<readonly InstanceRegistration[]>;
}
