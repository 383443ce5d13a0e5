/** How long a lease lives without renewal, in every lease store. */
export const LEASE_TTL_MS = 3000;
