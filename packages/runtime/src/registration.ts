import { randomUUID } from 'node:crypto';
import type { Logger } from './logger.ts';
import type { InstanceDirectory, InstanceRegistration } from './ports/instance-directory.ts';
import type { Stoppable } from './stop-in-order.ts';

/** Registrations last 3 s, so two may fail. */
const RENEW_INTERVAL_MS = 1000;

/**
 * Keeps an instance registered, with what it says of itself at each moment, until it is stopped.
 *
 * A directory that is away is tried again every second; that is said once, and once when it is back. So is another process that
 * registers under the same id. `stop` takes the registration back.
 */
export function keepRegistered(
  directory: InstanceDirectory,
  registration: () => Omit<InstanceRegistration, 'runId'>,
  logger: Logger,
): Stoppable {
  const runId = randomUUID();
  let hasFailed = false;
  let isRegistered = false;
  let hasTwin = false;
  let renewing: Promise<void> | undefined;
  const noteTwin = (isThere: boolean): void => {
    if (isThere && !hasTwin) {
      const { kind, id } = registration();
      logger.error(
        { id: 'INSTANCE_NAME_TAKEN' },
        `Another ${kind} calls itself ${id} as well, so that sessions reach either: give each its own name (--instance)`,
      );
    }
    hasTwin = isThere;
  };
  const renew = async (): Promise<void> => {
    try {
      const before = await directory.register({ ...registration(), runId });
      noteTwin(isRegistered && before !== undefined && before.runId !== runId);
      isRegistered = true;
      if (hasFailed) logger.info('This instance is registered again');
      hasFailed = false;
    } catch (error) {
      if (!hasFailed)
        logger.warn({ err: error }, 'This instance cannot be registered; it is tried again every second');
      hasFailed = true;
    }
  };
  const keep = (): void => {
    // A call lasts a second or two at most; one at a time keeps them in order.
    renewing ??= renew().finally(() => (renewing = undefined));
  };
  keep();
  const timer = setInterval(keep, RENEW_INTERVAL_MS);
  return {
    async stop() {
      clearInterval(timer);
      await renewing;
      const { kind, id } = registration();
      await directory.unregister(kind, id).catch((error: unknown) => {
        logger.debug({ err: error }, 'The registration cannot be taken back; it ends by itself within 3 s');
      });
    },
  };
}
