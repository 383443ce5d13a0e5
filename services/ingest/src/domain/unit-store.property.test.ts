import { describe, expect, test } from '@jest/globals';
import type { SegmentStarted, TimelineUnit } from '@millrace/media';
import * as fc from 'fast-check';
import { SLAB_BYTES, SlabPool } from './slab-pool.ts';
import { UnitStore } from './unit-store.ts';

const numRuns = Number(process.env['MILLRACE_FUZZ_RUNS'] ?? 1000);
const tick = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const offset = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const unit: fc.Arbitrary<TimelineUnit> = fc.record({
  type: fc.constant('unit' as const),
  kind: fc.constantFrom('video' as const, 'audio' as const),
  trackId: fc.constantFrom(1, 2),
  dts: tick,
  compositionOffset: offset,
  duration: fc.nat(),
  isRandomAccess: fc.boolean(),
  isFiller: fc.boolean(),
  data: fc
    .tuple(fc.nat({ max: 255 }), fc.constantFrom(0, 1, 5000, 60_000, SLAB_BYTES, SLAB_BYTES + 1))
    .map(([value, length]) => Buffer.alloc(length, value)),
  arrivalMs: fc.constant(0),
});
const clock: fc.Arbitrary<SegmentStarted> = fc.record({
  type: fc.constant('segment-started' as const),
  k: tick,
  utcOffsetUs: fc.maxSafeInteger(),
});
const step = fc.oneof(
  { weight: 4, arbitrary: unit },
  { weight: 1, arbitrary: clock },
  { weight: 3, arbitrary: fc.constant('drop' as const) },
  { weight: 1, arbitrary: fc.constant('fill' as const) },
);

describe('unit store', () => {
  test('is a queue of what was appended, whatever was dropped in between', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 24 }), (steps) => {
        const store = new UnitStore(new SlabPool(4 * SLAB_BYTES));
        const model: (TimelineUnit | SegmentStarted)[] = [];
        let first = 0;
        const append = (entry: TimelineUnit | SegmentStarted): void => {
          model.push(entry);
          if (entry.type === 'unit') store.appendUnit(entry);
          else store.appendClock(entry);
        };
        for (const next of steps) {
          if (next === 'drop') {
            const dropped = store.dropFirst();
            const expected = model[first];
            expect(dropped).toEqual(expected?.type === 'segment-started' ? expected : undefined);
            if (expected !== undefined) first += 1;
          } else if (next === 'fill') {
            for (let k = 0; k < 200; k += 1) append({ type: 'segment-started', k, utcOffsetUs: -k });
          } else append(next);
        }
        expect([store.first, store.next]).toEqual([first, model.length]);
        for (let sequence = first; sequence < model.length; sequence += 1) {
          const expected = model[sequence];
          const entry = store.entryAt(sequence);
          if (expected?.type !== 'unit' || entry.type !== 'unit') {
            expect(entry).toEqual(expected);
            continue;
          }
          const { data, arrivalMs: _, ...numbers } = expected;
          const { data: stored, ...storedNumbers } = entry;
          expect(storedNumbers).toEqual(numbers);
          expect(Buffer.compare(stored, data)).toBe(0);
        }
      }),
      { seed: 1, numRuns: Math.min(numRuns, 1000) },
    );
  });

  test('says how much memory it holds, to within two slabs, whatever the sizes', () => {
    const size = fc.constantFrom(1, 5000, 66_000, SLAB_BYTES - 1, SLAB_BYTES, SLAB_BYTES + 1);
    const [unitOf] = fc.sample(unit, { seed: 1, numRuns: 1 });
    if (unitOf === undefined) throw new Error('no sample');
    fc.assert(
      fc.property(
        fc.array(size, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 40 }),
        fc.nat(40),
        (sizes, count, dropped) => {
          let held = 0;
          const pool = new SlabPool(0);
          const take = pool.take.bind(pool);
          pool.take = (bytes) => {
            const slab = take(bytes);
            held += slab.length;
            return slab;
          };
          pool.give = (slab) => void (held -= slab.length);
          const store = new UnitStore(pool);
          for (let index = 0; index < count; index += 1)
            store.appendUnit({ ...unitOf, data: Buffer.alloc(sizes[index % sizes.length] ?? 0) });
          for (let index = 0; index < dropped; index += 1) store.dropFirst();
          expect(Math.abs(store.bytes - held)).toBeLessThanOrEqual(2 * SLAB_BYTES + 40 * 56);
          store.clear();
          expect([store.bytes, held]).toEqual([0, 0]);
        },
      ),
      { seed: 1, numRuns: Math.min(numRuns, 300) },
    );
  });

  test('memory that was given up is used again', () => {
    const pool = new SlabPool(SLAB_BYTES);
    const store = new UnitStore(pool);
    const data = Buffer.alloc(SLAB_BYTES);
    const [unitOf] = fc.sample(unit, { seed: 1, numRuns: 1 });
    if (unitOf === undefined) throw new Error('no sample');
    for (let round = 0; round < 10; round += 1) {
      store.appendUnit({ ...unitOf, data });
      store.appendUnit({ ...unitOf, data });
      store.clear();
      expect(store.bytes).toBe(0);
      expect(pool.freeBytes).toBe(SLAB_BYTES);
    }
  });
});
