import { session } from '@millrace/contracts';
import { isWilling, PLACED_PACKAGERS, rankPackagers } from '@millrace/runtime';
import type { InstanceRegistration, Logger, SessionStore } from '@millrace/runtime';
import type { SessionDirectory } from './session-directory.ts';
import type { SessionWindow } from './session-window.ts';

/** What came of an attempt to place a session here. */
export type PlaceResult = 'placed' | 'lost-race' | 'failed';

/** What looks after placements. */
export interface PlacementKeeperOptions {
  /** This packager's instance id. */
  readonly instance: string;
  readonly packagers: () => readonly InstanceRegistration[];
  readonly directory: SessionDirectory;
  readonly sessions: Pick<SessionStore, 'place'>;
  readonly logger: Logger;
  readonly onPlaced: (result: PlaceResult) => void;
  /** Milliseconds that only rise. */
  readonly monotonicMs?: () => number;
}

const TICK_MS = 1000;
/** Section 5: a packager that is gone for this long is replaced. */
const GONE_AFTER_MS = 10_000;

/**
 * Sees to it that each session has two packagers that are there: this one takes a session over when one of its packagers has been
 * gone for 10 s, or drains, and rendezvous hashing names this one; it lets go what is placed elsewhere once viewers are through.
 */
export class PlacementKeeper {
  readonly #options: PlacementKeeperOptions;
  readonly #monotonicMs: () => number;
  /** Since when sessions have too few packagers. */
  readonly #shortSinceMs = new Map<string, number>();
  /** Since when windows are held that are placed elsewhere. */
  readonly #unplacedSinceMs = new Map<SessionWindow, number>();
  #ticking: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PlacementKeeperOptions) {
    this.#options = options;
    this.#monotonicMs = options.monotonicMs ?? (() => performance.now());
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#ticking ??= this.tick().finally(() => (this.#ticking = undefined));
    }, TICK_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#ticking;
  }

  /** Looks at every session once. */
  async tick(): Promise<void> {
    const registered = new Map(this.#options.packagers().map((packager) => [packager.id, packager]));
    const records = [...this.#options.directory.records()];
    this.#forgetOthers(records);
    // Not registered is not heard of: whoever asks for it first cannot judge others.
    if (!registered.has(this.#options.instance)) return;
    const candidates = new Set<string>();
    for (const record of records) {
      const packagers = this.#nextPackagers(record, registered);
      if (packagers === undefined) continue;
      candidates.add(record.sessionId);
      await this.#takeOver(record, packagers);
    }
    this.#letGo(candidates);
  }

  /** Where the session is to be, with this packager among them; `undefined` when that is not this packager's to change now. */
  #nextPackagers(
    record: session.SessionRecord,
    registered: ReadonlyMap<string, InstanceRegistration>,
  ): readonly session.Peer[] | undefined {
    const { sessionId, state, placement } = record;
    const { instance } = this.#options;
    if (state === session.SessionState.ENDED || placement === undefined) return undefined;
    const placed = placement.packagers;
    const self = registered.get(instance);
    const own = placed.find(({ id }) => id === instance);
    if (own !== undefined) {
      // It came back at another address, and nobody else can know.
      return self === undefined || own.address === self.address
        ? undefined
        : placed.map((peer) => (peer === own ? { id: instance, address: self.address } : peer));
    }
    const living = placed.filter(({ id }) => registered.get(id)?.isDraining === false);
    const missing = PLACED_PACKAGERS - living.length;
    if (missing <= 0) {
      this.#shortSinceMs.delete(sessionId);
      return undefined;
    }
    const nowMs = this.#monotonicMs();
    const sinceMs = this.#shortSinceMs.get(sessionId) ?? nowMs;
    this.#shortSinceMs.set(sessionId, sinceMs);
    const drains = placed.some(({ id }) => registered.get(id)?.isDraining === true);
    if (!drains && nowMs - sinceMs < GONE_AFTER_MS) return undefined;
    const others = [...registered.values()].filter(
      (packager) => isWilling(packager) && !placed.some(({ id }) => id === packager.id),
    );
    const named = rankPackagers(sessionId, others).slice(0, missing);
    const chosen = named.find(({ id }) => id === instance);
    return chosen === undefined ? undefined : [...living, { id: instance, address: chosen.address }];
  }

  /** Copies the window, then places the session here, in one atomic step that one of several wins. */
  async #takeOver(record: session.SessionRecord, packagers: readonly session.Peer[]): Promise<void> {
    const { directory, sessions, logger, onPlaced } = this.#options;
    const { channel, sessionId, placement } = record;
    const found = directory.find(sessionId);
    if (found.kind === 'elsewhere') directory.hold(sessionId);
    if (found.kind !== 'known' || !found.window.isFilled) return;
    try {
      const epoch = (placement?.epoch ?? 0) + 1;
      const isPlaced = await sessions.place(channel, sessionId, { epoch, packagers: [...packagers] });
      onPlaced(isPlaced ? 'placed' : 'lost-race');
      if (!isPlaced) return;
      const ids = packagers.map(({ id }) => id);
      logger.info({ sessionId, epoch, packagers: ids }, 'The session is placed on this packager too');
    } catch (error) {
      onPlaced('failed');
      logger.warn(
        { err: error, sessionId },
        'A session cannot be placed here; it is tried again every second',
      );
    }
  }

  /** Lets go what is placed elsewhere, once those are through that still come here: viewers, and caches of where it was. */
  #letGo(candidates: ReadonlySet<string>): void {
    const { directory, instance } = this.#options;
    const nowMs = this.#monotonicMs();
    for (const window of directory.sessions) {
      const placed = window.record?.placement?.packagers ?? [];
      const isHere = placed.length === 0 || placed.some(({ id }) => id === instance);
      if (isHere || window.isFinished || window.hasWriter || candidates.has(window.id)) {
        this.#unplacedSinceMs.delete(window);
        continue;
      }
      const sinceMs = this.#unplacedSinceMs.get(window) ?? nowMs;
      this.#unplacedSinceMs.set(window, sinceMs);
      if (nowMs - sinceMs >= window.retentionAfterEndMs) directory.letGo(window);
    }
  }

  #forgetOthers(records: readonly session.SessionRecord[]): void {
    const ids = new Set(records.map(({ sessionId }) => sessionId));
    for (const id of this.#shortSinceMs.keys()) if (!ids.has(id)) this.#shortSinceMs.delete(id);
    const held = new Set(this.#options.directory.sessions);
    for (const window of this.#unplacedSinceMs.keys())
      if (!held.has(window)) this.#unplacedSinceMs.delete(window);
  }
}
