import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { parseChannelFile } from './channel-file.ts';

const NUM_RUNS = Number(process.env['MILLRACE_FUZZ_RUNS'] ?? 1000);

const VALID = `ladders:
  small: [{ name: 360p, width: 640, height: 360, bitrateBps: 700000, maxFrameRate: "30000/1001" }, source]
channels:
  news: &news
    settings: { ladder: small, segmentDuration: 2, partDuration: 0.5 }
    streamKeys: [{ name: studio, key: a-long-enough-key-0123 }]
  other: { settings: { title: "x" } }
`;

const FRAGMENTS = [
  '&a ',
  '*a',
  '*news',
  '<<: ',
  '!!binary ',
  '!!int ',
  '- ',
  '{',
  '}',
  '[',
  ']',
  ': ',
  '|',
  '>',
  '"',
  "'",
  '\n',
  '\t',
  '---\n',
  '%TAG ! !\n',
  '#',
  '~',
  '.inf',
  '0x',
  '\u0000',
  '\ufeff',
  '? ',
];

/** A valid file with a few pieces cut out, put in or doubled. */
const mutated = fc
  .array(
    fc.tuple(
      fc.nat(VALID.length),
      fc.nat(12),
      fc.oneof(fc.constantFrom(...FRAGMENTS), fc.string({ maxLength: 6 })),
    ),
    {
      minLength: 1,
      maxLength: 6,
    },
  )
  .map((edits) =>
    edits.reduce((text, [at, cut, put]) => text.slice(0, at) + put + text.slice(at + cut), VALID),
  );

const random = fc
  .array(fc.oneof(fc.constantFrom(...FRAGMENTS), fc.string({ maxLength: 8 })), { maxLength: 30 })
  .map((parts) => parts.join(''));

describe('channel file, hostile', () => {
  test('random and mutated files give declarations or problems, never an exception', () => {
    const outcomes = { accepted: 0, refused: 0 };
    fc.assert(
      fc.property(fc.oneof(mutated, random), (text) => {
        const result = parseChannelFile(text);
        if ('problems' in result) {
          outcomes.refused += 1;
          expect(result.problems.length).toBeGreaterThan(0);
          expect(result.problems.length).toBeLessThanOrEqual(50);
        } else {
          outcomes.accepted += 1;
        }
      }),
      { numRuns: NUM_RUNS, seed: 1 },
    );
    // Both happen, or the inputs test nothing.
    expect(outcomes.accepted).toBeGreaterThan(0);
    expect(outcomes.refused).toBeGreaterThan(0);
  });
});
