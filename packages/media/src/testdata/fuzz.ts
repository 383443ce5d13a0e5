import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { ParseError } from '../parse-error.ts';

/** Inputs per parser; CI asks for 10^5, the long form for 10^7. */
const FUZZ_RUNS = Number(process.env['MILLRACE_FUZZ_RUNS'] ?? 1000);
const BATCH = 100;

/** Options for `fc.assert` of a property that is not about bad input. */
export const PROPERTY = { seed: 1, numRuns: Math.min(FUZZ_RUNS, 2000) } as const;

/** Numbers below a bound that are the same for the same seed (mulberry32). */
type Random = (below: number) => number;

const randomOf = (seed: number): Random => {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
};

/** A copy of one of the seeds with some bytes flipped, overwritten, cut out or doubled; now and then random bytes. */
const mutate = (seeds: readonly Uint8Array[], random: Random): Uint8Array => {
  if (random(16) === 0) return Uint8Array.from({ length: random(200) }, () => random(256));
  let bytes = Buffer.from(seeds[random(seeds.length)] ?? new Uint8Array(0));
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
        bytes.fill(random(2) * 255, at, Math.min(bytes.length, at + 1 + random(4)));
        break;
      case 3:
        bytes = bytes.subarray(0, at);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random(40))]);
        break;
      default:
        bytes = Buffer.concat([bytes.subarray(0, at + random(40)), bytes.subarray(at)]);
    }
  }
  return bytes;
};

/** Runs a parser on mutated inputs: it may return or throw `ParseError`, nothing else. Returns how many it accepted. */
export const fuzzParser = (seeds: readonly Uint8Array[], parse: (bytes: Uint8Array) => unknown): number => {
  let accepted = 0;
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = randomOf(seed);
      for (let run = 0; run < BATCH; run += 1) {
        const bytes = mutate(seeds, random);
        try {
          parse(bytes);
          accepted += 1;
        } catch (error) {
          if (!(error instanceof ParseError)) {
            throw new Error(`input ${Buffer.from(bytes).toString('hex')}`, { cause: error });
          }
        }
      }
    }),
    { seed: 1, numRuns: Math.ceil(FUZZ_RUNS / BATCH) },
  );
  return accepted;
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

/** A file of this folder. */
export const testMedia = (name: string): Buffer => readFileSync(new URL(name, import.meta.url));

/** Bits written as text, the last byte filled with zeros. */
export const bitsToBytes = (fields: readonly string[]): Uint8Array =>
  Uint8Array.from(fields.join('').match(/.{1,8}/g) ?? [], (byte) => Number.parseInt(byte.padEnd(8, '0'), 2));
