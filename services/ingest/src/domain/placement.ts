import { createHash } from 'node:crypto';
import type { session } from '@millrace/contracts';
import type { InstanceRegistration } from '@millrace/runtime';

/** A session is held by this many packagers, if there are as many. */
const REPLICAS = 2;

/**
 * The packagers that a session is placed on first: by rendezvous hash of the session's and the packagers' ids, so that sessions
 * spread evenly and every ingest would choose the same.
 *
 * One that drains, or has no room, is taken only when there are not enough others.
 */
export function choosePackagers(
  sessionId: string,
  packagers: readonly InstanceRegistration[],
): readonly session.Peer[] {
  return packagers
    .map((packager) => ({
      packager,
      isWilling: !packager.isDraining && packager.loadUnits < packager.capacityUnits,
      weight: createHash('sha256').update(`${sessionId} ${packager.id}`).digest('hex'),
    }))
    .toSorted((a, b) => Number(b.isWilling) - Number(a.isWilling) || (a.weight < b.weight ? 1 : -1))
    .slice(0, REPLICAS)
    .map(({ packager: { id, address } }) => ({ id, address }));
}
