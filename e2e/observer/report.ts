/** A rule of the specifications that what was served breaks. */
export interface Violation {
  /** Id of the rule, such as `H-4`; `decode`, `fetch` and `grid` are the observer's own. */
  readonly rule: string;
  readonly message: string;
  /** What was looked at: a rendition, a playlist, a segment. */
  readonly where: string;
}

/** How many violations of one rule in one place are kept. */
const KEPT_PER_PLACE = 5;
const KEPT_IN_ALL = 500;

/** Collects violations; bounded, but every one is counted. */
export class Report {
  readonly #kept: Violation[] = [];
  readonly #perPlace = new Map<string, number>();
  #count = 0;

  /** Violations kept, oldest first. */
  get violations(): readonly Violation[] {
    return this.#kept;
  }

  /** All violations, those not kept included. */
  get count(): number {
    return this.#count;
  }

  add(rule: string, where: string, message: string): void {
    this.#count += 1;
    const place = `${rule} ${where}`;
    const before = this.#perPlace.get(place) ?? 0;
    this.#perPlace.set(place, before + 1);
    if (before < KEPT_PER_PLACE && this.#kept.length < KEPT_IN_ALL) this.#kept.push({ rule, where, message });
  }

  /** Adds a violation unless the condition holds; says whether it holds. */
  expect(isTrue: boolean, rule: string, where: string, message: string): boolean {
    if (!isTrue) this.add(rule, where, message);
    return isTrue;
  }
}
