import { test } from '@jest/globals';
import type { sink } from '@millrace/contracts';
import * as fc from 'fast-check';
import { audioRendition, videoRendition } from '../testing/renditions.ts';
import { RowWindow } from '../testing/row-window.ts';
import { PartGrid } from './part-grid.ts';
import { RowAuthor } from './row-author.ts';

const NUM_RUNS = Number(process.env['MILLRACE_FUZZ_RUNS'] ?? 300);
const grid = new PartGrid({ numerator: 2, denominator: 1 }, { numerator: 1, denominator: 2 });
const renditions = [videoRendition({ id: 'a' }), videoRendition({ id: 'b' }), audioRendition()];
const ids = renditions.map(({ id }) => id);

/** What happens to an author: a part, perhaps after some that are missing; a new worker; a new period. */
type Step =
  | { readonly kind: 'part'; readonly rendition: number; readonly skip: number }
  | { readonly kind: 'restart' }
  | { readonly kind: 'period'; readonly hole: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('part' as const),
      rendition: fc.nat(2),
      skip: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(9) }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('period' as const), hole: fc.integer({ min: 2, max: 9 }) }),
  },
);

/** A worker that goes through the periods as ingest has them. */
class Author {
  readonly #window = new RowWindow();
  readonly #periods: { readonly firstK: number; lastK: number | undefined }[];
  #author: RowAuthor;

  constructor(firstK: number) {
    this.#periods = [{ firstK, lastK: undefined }];
    this.#author = this.#resume();
  }

  part(rendition: number, skip: number): void {
    const { id = '', timescale = 1 } = renditions[rendition] ?? {};
    let position = this.#author.next(id);
    for (let count = 0; count < skip; count += 1) position = grid.after(position);
    this.#window.take(this.#author.author(id, partAt(position, timescale)));
  }

  restart(): void {
    this.#author = this.#resume();
  }

  period(hole: number): void {
    const last = this.#periods.at(-1);
    const lastK = Math.max(
      ...ids.map((id) => this.#author.next(id)).map(({ k, part }) => (part === 0 ? k - 1 : k)),
    );
    // A period without a single row is none.
    if (last === undefined || lastK < last.firstK) return;
    last.lastK = lastK;
    this.#window.take(this.#author.endPeriod(lastK));
    this.#periods.push({ firstK: lastK + hole, lastK: undefined });
    this.#author.beginPeriod(this.#periods.length - 1, lastK + hole);
  }

  #resume(): RowAuthor {
    const author = new RowAuthor({ grid, renditions, reply: this.#window.reply(), from: { k: 0, part: 0 } });
    const from = author.history.continuationPeriod(ids) ?? this.#periods.length - 1;
    for (let ordinal = from; ordinal < this.#periods.length; ordinal += 1) {
      const period = this.#periods[ordinal];
      author.beginPeriod(ordinal, period?.firstK ?? 0);
      if (period?.lastK !== undefined) this.#window.take(author.endPeriod(period.lastK));
    }
    return author;
  }
}

test('rows are without a hole and numbered alike in all renditions, whatever happens to whom', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.nat(1_000_000), (steps, firstK) => {
      // The window throws when a row breaks a rule.
      const author = new Author(firstK);
      for (const action of steps) {
        if (action.kind === 'part') author.part(action.rendition, action.skip);
        else if (action.kind === 'restart') author.restart();
        else author.period(action.hole);
      }
    }),
    { seed: 1, numRuns: NUM_RUNS },
  );
});

function partAt(position: sink.Position, timescale: number) {
  const start = grid.startTicksOf(position, timescale);
  return {
    position,
    baseMediaDecodeTime: start,
    durationTicks: grid.startTicksOf(grid.after(position), timescale) - start,
    isIndependent: true,
    data: Buffer.from('media'),
  };
}
