import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { FlvReader, splitLengthPrefixed } from '@millrace/media';
import { ServiceError } from '@millrace/runtime';
import * as fc from 'fast-check';
import { MediaInput } from './media-input.ts';

const FEED = new URL('../../../../packages/media/src/testdata/b-frames.flv', import.meta.url);
const TAGS = [...new FlvReader().push(readFileSync(FEED))];
const bodiesOf = (kind: 'video' | 'audio'): Buffer[] =>
  TAGS.filter(({ type }) => type === kind).map(({ body }) => Buffer.from(body));
const [HEADER = Buffer.alloc(0), IDR = Buffer.alloc(0), ...PICTURES] = bodiesOf('video');
const AUDIO = bodiesOf('audio').slice(0, 2);

/** One of the encoder's messages with some bytes changed, and cut; or nothing but noise. */
const body = fc.oneof(
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 64 }) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        fc.constantFrom(HEADER, IDR, ...PICTURES.slice(0, 3), ...AUDIO),
        fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        fc.oneof(fc.constant(Infinity), fc.nat(120)),
      )
      .map(([original, changes, length]) => {
        const mutated = Uint8Array.from(original.subarray(0, length));
        for (const [at, value] of changes) if (at < mutated.length) mutated[at] = value;
        return mutated;
      }),
  },
);

describe('media input, properties', () => {
  test('random and mutated bodies give results or named errors only', () => {
    let [units, runs] = [0, 0];
    fc.assert(
      fc.property(fc.constantFrom('video' as const, 'audio' as const), body, (kind, bytes) => {
        runs += 1;
        const input = new MediaInput();
        input.push('video', 0, HEADER);
        try {
          const { unit } = input.push(kind, 0, bytes);
          if (unit === undefined) return;
          units += 1;
          // What is passed on can be read by everyone behind.
          if (unit.kind === 'video') splitLengthPrefixed(unit.data, 4);
        } catch (error) {
          if (!(error instanceof ServiceError)) throw error;
        }
      }),
      { seed: 1, numRuns: Number(process.env['MILLRACE_FUZZ_RUNS'] ?? 2000) },
    );
    expect(units).toBeGreaterThan(runs / 20);
  });
});
