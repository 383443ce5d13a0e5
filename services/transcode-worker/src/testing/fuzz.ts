import * as fc from 'fast-check';

/** Inputs per parser; CI asks for 10^5, the long form for 10^7. */
const FUZZ_RUNS = Number(process.env['MILLRACE_FUZZ_RUNS'] ?? 1000);
const BATCH = 100;

/** Integers from 0 to below a bound, the same for the same seed (mulberry32). */
export type Random = (below: number) => number;

/** Tries a rule on as many inputs as are asked for, each made with the numbers that it is given. */
export function fuzz(tryOne: (random: Random) => void): void {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = randomOf(seed);
      for (let run = 0; run < BATCH; run += 1) tryOne(random);
    }),
    { seed: 1, numRuns: Math.ceil(FUZZ_RUNS / BATCH) },
  );
}

/** A copy with some bytes flipped, overwritten, cut out or doubled. */
export function mutate(bytes: Buffer, random: Random): Buffer {
  let changed = Buffer.from(bytes);
  for (let edits = 1 + random(4); edits > 0 && changed.length > 0; edits -= 1) {
    const at = random(changed.length);
    switch (random(5)) {
      case 0:
        changed[at] = (changed[at] ?? 0) ^ (1 << random(8));
        break;
      case 1:
        changed[at] = random(256);
        break;
      case 2:
        changed.fill(random(2) * 255, at, Math.min(changed.length, at + 4));
        break;
      case 3:
        changed = Buffer.concat([changed.subarray(0, at), changed.subarray(at + random(40))]);
        break;
      default:
        changed = Buffer.concat([changed.subarray(0, at + random(400)), changed.subarray(at)]);
    }
  }
  return changed;
}

function randomOf(seed: number): Random {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}
