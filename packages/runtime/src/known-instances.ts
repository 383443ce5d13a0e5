import type { Logger } from './logger.ts';
import type { InstanceDirectory, InstanceKind, InstanceRegistration } from './ports/instance-directory.ts';
import type { Stoppable } from './stop-in-order.ts';

/** A registration is renewed this often, so looking more often shows nothing new. */
const POLL_INTERVAL_MS = 1000;

/** The instances of a kind, as they were when the directory last answered. */
export interface KnownInstances extends Stoppable {
  /** In the order of their ids; empty until the directory has answered once. */
  readonly list: readonly InstanceRegistration[];
}

/**
 * Looks every second at who is registered, until it is stopped.
 *
 * While the directory is away, what it said last stays: an instance that has gone meanwhile shows when it is called.
 */
export function watchInstances(
  directory: InstanceDirectory,
  kind: InstanceKind,
  logger: Logger,
): KnownInstances {
  let list: readonly InstanceRegistration[] = [];
  let reading: Promise<void> | undefined;
  const read = async (): Promise<void> => {
    try {
      list = await directory.list(kind);
    } catch (error) {
      logger.debug({ err: error, kind }, 'Registrations cannot be read; those of before count');
    }
  };
  const look = (): void => {
    reading ??= read().finally(() => (reading = undefined));
  };
  look();
  const timer = setInterval(look, POLL_INTERVAL_MS);
  return {
    get list() {
      return list;
    },
    async stop() {
      clearInterval(timer);
      await reading;
    },
  };
}
