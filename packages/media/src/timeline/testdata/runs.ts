const FUZZ_RUNS = Number(process.env['MILLRACE_FUZZ_RUNS'] ?? 1000);
const MOST_EXACT_RUNS = 2000;

/** Parameters of a property of hostile input: as many inputs as MILLRACE_FUZZ_RUNS says, always from seed 1. */
export function hostileRuns(): { readonly numRuns: number; readonly seed: number } {
  return { numRuns: FUZZ_RUNS, seed: 1 };
}

/** Parameters of a property of valid input; `share` makes costly ones fewer. */
export function runs(share = 1): { readonly numRuns: number; readonly seed: number } {
  return { numRuns: Math.max(10, Math.floor(Math.min(FUZZ_RUNS, MOST_EXACT_RUNS) * share)), seed: 1 };
}
