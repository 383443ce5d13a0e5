import type { sink } from '@millrace/contracts';
import { comparePositions } from './position.ts';

/** From where on a token rules. */
export interface Claim {
  readonly token: number;
  readonly from: sink.Position;
}

/** Handovers that can overlap; positions before the oldest claim that is kept have long been written. */
const MAX_CLAIMS = 16;

/**
 * Which lease token rules which position of a session: the highest whose `from` is at or before it.
 *
 * A token rules positions, not connections, so the worker before it goes on below that position.
 */
export class TokenRuling {
  /** Tokens and positions both rise: a claim that a higher token makes meaningless is not kept. */
  #claims: Claim[] = [];

  /** The claims that count, tokens ascending. */
  get claims(): readonly Claim[] {
    return this.#claims;
  }

  /** The token that rules a position; 0 when none does. */
  rulingAt(position: sink.Position): number {
    for (let index = this.#claims.length - 1; index >= 0; index -= 1) {
      const claim = this.#claims[index];
      if (claim !== undefined && comparePositions(claim.from, position) <= 0) return claim.token;
    }
    return 0;
  }

  /** Enters a claim; false when a higher token rules its first position already. */
  claim(token: number, from: sink.Position): boolean {
    if (this.rulingAt(from) > token) return false;
    const kept = this.#claims.filter(
      (claim) => claim.token > token || comparePositions(claim.from, from) < 0,
    );
    const known = this.#claims.find((claim) => claim.token === token);
    // A worker that opens its stream again may not give up what it ruled.
    if (known !== undefined && comparePositions(known.from, from) <= 0) return true;
    kept.push({ token, from });
    kept.sort((a, b) => a.token - b.token);
    this.#claims = kept.slice(-MAX_CLAIMS);
    return true;
  }
}
