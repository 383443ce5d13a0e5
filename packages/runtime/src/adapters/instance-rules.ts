import type { InstanceRegistration } from '../ports/instance-directory.ts';
import { ServiceError } from '../service-error.ts';

/** How long a registration lasts without renewal. */
export const REGISTRATION_TTL_MS = 3000;

/** What an id may be: it is part of keys. */
export const INSTANCE_ID = /^[A-Za-z0-9._-]{1,128}$/;

/** Throws `INSTANCE_ID_INVALID` for an id that cannot be part of a key. */
export function assertInstanceId({ kind, id }: InstanceRegistration): void {
  if (INSTANCE_ID.test(id)) return;
  throw new ServiceError(
    'INVALID_ARGUMENT',
    'INSTANCE_ID_INVALID',
    `${JSON.stringify(id)} cannot be the id of a ${kind}: letters, digits, ".", "_" and "-", at most 128`,
  );
}
