import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { comparePositions } from './position.ts';
import { TokenRuling } from './token-ruling.ts';

const position = fc.record({ k: fc.nat({ max: 12 }), part: fc.nat({ max: 2 }) });
const claims = fc.array(fc.record({ token: fc.integer({ min: 1, max: 12 }), from: position }), {
  maxLength: 12,
});

test('the highest token whose first position is at or before a position rules it', () => {
  fc.assert(
    fc.property(claims, position, (drawn, asked) => {
      const ruling = new TokenRuling();
      const accepted: {
        readonly token: number;
        readonly from: { readonly k: number; readonly part: number };
      }[] = [];
      for (const claim of drawn) {
        const highest = Math.max(
          0,
          ...accepted.filter(({ from }) => comparePositions(from, claim.from) <= 0).map(({ token }) => token),
        );
        expect(ruling.claim(claim.token, claim.from)).toBe(highest <= claim.token);
        if (highest <= claim.token) accepted.push(claim);
      }
      const ruled = accepted
        .filter(({ from }) => comparePositions(from, asked) <= 0)
        .map(({ token }) => token);
      expect(ruling.rulingAt(asked)).toBe(Math.max(0, ...ruled));
    }),
    { seed: 1, numRuns: 2000 },
  );
});
