/** Whether the long forms run: the sizes and durations that the claims are made for. */
export const isLong = process.env['MILLRACE_LONG'] === '1';

/** The small rung of the short form. */
export const SMALL_RUNG = { name: '240p', width: 426, height: 240, bitrateBps: 500_000 } as const;

/** A smaller one beside it. */
export const TINY_RUNG = { name: '144p', width: 256, height: 144, bitrateBps: 200_000 } as const;

/** SEG of a channel that says nothing. */
export const SEG = { numerator: 2, denominator: 1 } as const;

/** Most time a test of some channels may take, media included. */
export const TEST_DEADLINE_MS = isLong ? 600_000 : 180_000;

/** Seconds of media that a test pushes. */
export function mediaSeconds(short: number): number {
  return isLong ? 60 : short;
}

/** Runs something once, at the first call; for what concurrent tests share. */
export function lazily<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
