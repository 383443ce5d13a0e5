import * as fc from 'fast-check';

/** Inputs per parser; 10^5 in CI, 10^7 in the long form. */
export const FUZZ_RUNS = Number(process.env['MILLRACE_FUZZ_RUNS'] ?? 10_000);
const BATCH = 200;

/** Small numbers that are the same for the same seed (mulberry32). */
const randomOf = (seed: number): ((below: number) => number) => {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
};

/** A copy of one of the seeds with some bytes flipped, overwritten, cut out or doubled; or random bytes. */
const mutate = (seeds: readonly Uint8Array[], random: (below: number) => number): Uint8Array => {
  if (random(16) === 0) return Uint8Array.from({ length: random(200) }, () => random(256));
  const seed = seeds[random(seeds.length)] ?? new Uint8Array(0);
  let bytes = seed.slice();
  for (let edits = 1 + random(4); edits > 0 && bytes.length > 0; edits -= 1) {
    const at = random(bytes.length);
    switch (random(6)) {
      case 0:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
        break;
      case 1:
        bytes[at] = random(256);
        break;
      case 2:
        bytes.fill(random(2) * 255, at, at + 1 + random(4));
        break;
      case 3:
        bytes = bytes.slice(0, at);
        break;
      case 4: {
        const end = at + random(40);
        bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(end)]);
        break;
      }
      default: {
        const end = Math.min(bytes.length, at + random(40));
        bytes = Uint8Array.from([...bytes.subarray(0, end), ...bytes.subarray(at)]);
      }
    }
  }
  return bytes;
};

/** Runs `check` on `FUZZ_RUNS` mutated inputs, in batches, so that fast-check costs little; returns how many ran. */
export const fuzz = (seeds: readonly Uint8Array[], check: (bytes: Uint8Array) => void): number => {
  let runs = 0;
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = randomOf(seed);
      for (let i = 0; i < BATCH; i += 1) {
        const bytes = mutate(seeds, random);
        runs += 1;
        try {
          check(bytes);
        } catch (error) {
          throw new Error(`input ${Buffer.from(bytes).toString('hex')}`, { cause: error });
        }
      }
    }),
    { seed: 1, numRuns: Math.ceil(FUZZ_RUNS / BATCH) },
  );
  return runs;
};

/** Cuts bytes at the given places, each taken modulo the length. */
export const cutAt = (bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] => {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b);
  const pieces: Uint8Array[] = [];
  let start = 0;
  for (const end of [...places, bytes.length]) {
    pieces.push(bytes.slice(start, end));
    start = end;
  }
  return pieces;
};
