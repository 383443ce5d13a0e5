/** How long a lease lives without renewal, in every lease store. */
export const LEASE_TTL_MS = 3000;
/** How long a worker that has announced itself as a successor keeps others from doing so. */
export const ANNOUNCEMENT_TTL_MS = 10_000;
