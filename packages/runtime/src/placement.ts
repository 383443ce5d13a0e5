import { createHash } from 'node:crypto';
import type { session } from '@millrace/contracts';
import type { InstanceRegistration } from './ports/instance-directory.ts';

/** A session is held by this many packagers, if there are as many. */
export const PLACED_PACKAGERS = 2;

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
  return rankPackagers(sessionId, packagers)
    .slice(0, PLACED_PACKAGERS)
    .map(({ id, address }) => ({ id, address }));
}

/** Packagers in the order in which a session is to be placed on them: the willing ones first, then by rendezvous hash. */
export function rankPackagers(
  sessionId: string,
  packagers: readonly InstanceRegistration[],
): readonly InstanceRegistration[] {
  return packagers
    .map((packager) => ({
      packager,
      isWilling: isWilling(packager),
      weight: createHash('sha256').update(`${sessionId} ${packager.id}`).digest('hex'),
    }))
    .toSorted((a, b) => Number(b.isWilling) - Number(a.isWilling) || (a.weight < b.weight ? 1 : -1))
    .map(({ packager }) => packager);
}

/** True for a packager that takes new sessions. */
export function isWilling({ isDraining, loadUnits, capacityUnits }: InstanceRegistration): boolean {
  return !isDraining && loadUnits < capacityUnits;
}
