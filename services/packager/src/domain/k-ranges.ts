/** Numbers one after the other, both ends included. */
interface Range {
  readonly first: number;
  last: number;
}

/** Periods of a session whose numbers are told apart; older ones melt into one range. */
const MAX_RANGES = 128;

/** The segment numbers a rendition ever had, as ranges: tells what is over from what never was (T-7, O-4). */
export class KRanges {
  readonly #ranges: Range[] = [];

  /** All that were added, ascending. */
  get ranges(): readonly Readonly<Range>[] {
    return this.#ranges;
  }

  /** Adds what another one has, in front of all that were added here; no effect once there is something. */
  restore(ranges: readonly Readonly<Range>[]): void {
    if (this.#ranges.length === 0)
      this.#ranges.push(...ranges.slice(-MAX_RANGES).map((range) => ({ ...range })));
  }

  /** Adds a number above all that were added. */
  add(k: number): void {
    const last = this.#ranges.at(-1);
    if (last !== undefined && k <= last.last) return;
    if (last !== undefined && last.last + 1 === k) last.last = k;
    else this.#ranges.push({ first: k, last: k });
    if (this.#ranges.length <= MAX_RANGES) return;
    const [oldest, next] = this.#ranges.splice(0, 2);
    if (oldest !== undefined && next !== undefined)
      this.#ranges.unshift({ first: oldest.first, last: next.last });
  }

  has(k: number): boolean {
    return this.#ranges.some(({ first, last }) => first <= k && k <= last);
  }
}
