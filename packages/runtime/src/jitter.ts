/** A wait of `ms`, less up to a fifth at random: those who failed together do not come back together. */
export function jittered(ms: number): number {
  return ms * (0.8 + 0.2 * Math.random());
}
