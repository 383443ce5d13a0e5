/** Parameters of a property: MILLRACE_FUZZ_RUNS inputs (1000 unless set), times a share for costly ones; always seed 1. */
export function runs(share = 1): { readonly numRuns: number; readonly seed: number } {
  const wanted = Number(process.env['MILLRACE_FUZZ_RUNS'] ?? 1000);
  return { numRuns: Math.max(10, Math.floor(wanted * share)), seed: 1 };
}
