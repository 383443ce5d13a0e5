import { setTimeout as delay } from 'node:timers/promises';
import type { session } from '@millrace/contracts';
import type { Logger } from './logger.ts';
import type { SessionStore } from './ports/session-store.ts';

const MAX_BACKOFF_MS = 250;

/**
 * Follows the session records until the signal is aborted: calls `onRecord` with each record and then each change, in order.
 *
 * A store that fails, or ends the watch, is asked again within 250 ms, for ever; its first failure and its return are logged,
 * not what lies between. Whoever follows sees every record anew after that, so `onRecord` has to be idempotent. A record that
 * `onRecord` throws at is logged and does not stop the others. Never rejects.
 */
export async function followSessionRecords(
  store: Pick<SessionStore, 'watch'>,
  options: {
    readonly signal: AbortSignal;
    readonly logger: Logger;
    readonly onRecord: (record: session.SessionRecord) => void;
  },
): Promise<void> {
  const { signal, logger, onRecord } = options;
  let failures = 0;
  while (!signal.aborted) {
    try {
      for await (const record of store.watch(signal)) {
        if (failures > 0) logger.info({ failures }, 'The session records are followed again');
        failures = 0;
        try {
          onRecord(record);
        } catch (error) {
          logger.error({ err: error, sessionId: record.sessionId }, 'A change of a session was not taken');
        }
      }
    } catch (error) {
      if (failures === 0 && !signal.aborted)
        logger.warn(
          { err: error },
          'The session records cannot be followed; live sessions go on, it is tried again',
        );
      failures += 1;
    }
    await delay(MAX_BACKOFF_MS, undefined, { signal }).catch(() => undefined);
  }
}
