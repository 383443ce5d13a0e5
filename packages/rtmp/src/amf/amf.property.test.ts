import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { isRtmpError } from '../rtmp-error.ts';
import { fuzz, FUZZ_RUNS } from '../testdata/fuzz.ts';
import { concat, hex } from '../testdata/wire.ts';
import { marshalAmf0, parseAmf0 } from './amf0.ts';
import { marshalAmf3 } from './amf3-writer.ts';
import { parseAmf3 } from './amf3.ts';
import { AMF_MAX_VALUES } from './amf-limits.ts';
import { type AmfValue, amfObject } from './amf-value.ts';

const RUNS = Math.min(2000, Math.ceil(FUZZ_RUNS / 50));
const text = fc.string({ unit: 'grapheme', maxLength: 12 });
const leaf: fc.Arbitrary<AmfValue> = fc.oneof(
  fc.double({ noNaN: true }),
  text,
  fc.boolean(),
  fc.constant(null),
  fc.constant(undefined),
  fc.double({ noNaN: true }).map((unixMs): AmfValue => ({ kind: 'date', unixMs })),
  text.map((value): AmfValue => ({ kind: 'xml', text: value })),
  fc.uint8Array({ maxLength: 300 }),
);
const key = text.filter((value) => value !== '');
const { tree: values } = fc.letrec<{ tree: AmfValue }>((tie) => {
  const entries = fc.array(fc.tuple(key, tie('tree')), { maxLength: 4 });
  return {
    tree: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      leaf,
      fc.array(tie('tree'), { maxLength: 4 }),
      entries.map((list): AmfValue => ({ kind: 'object', values: new Map(list) })),
      fc
        .tuple(key, entries)
        .map(([className, list]): AmfValue => ({ kind: 'object', className, values: new Map(list) })),
      // An ECMA array without keys is a dense array in AMF3.
      fc
        .tuple(key, tie('tree'), entries)
        .map(([k, v, list]): AmfValue => ({ kind: 'ecma-array', values: new Map([[k, v], ...list]) })),
    ),
  };
});

const tree: readonly AmfValue[] = [
  'onMetaData',
  {
    kind: 'ecma-array',
    values: new Map<string, AmfValue>([
      ['width', 1280],
      ['list', [1, 'a', null]],
    ]),
  },
  amfObject({ app: 'live', nested: amfObject({ on: true, nothing: undefined }) }),
  { kind: 'object', className: 'C', values: new Map<string, AmfValue>([['d', { kind: 'date', unixMs: 1 }]]) },
  { kind: 'xml', text: '<a/>' },
  hex('0102'),
];

/** Values in a tree, counted as often as they can be reached. */
const countOf = (value: AmfValue): number => {
  if (Array.isArray(value))
    return 1 + value.reduce((sum: number, element: AmfValue) => sum + countOf(element), 0);
  if (typeof value !== 'object' || value === null || !('values' in value) || !(value.values instanceof Map))
    return 1;
  return 1 + [...value.values.values()].reduce((sum, element) => sum + countOf(element), 0);
};

describe.each([
  ['AMF0', marshalAmf0, parseAmf0, concat(marshalAmf0(tree), hex('07 0000 07 0001'))],
  [
    'AMF3',
    marshalAmf3,
    parseAmf3,
    concat(marshalAmf3(tree), hex('09 02 06 00 0d 03 00 00000001 11 03 00 01 01')),
  ],
] as const)('%s, properties', (_, marshal, parse, seed) => {
  test('parses what it marshalled', () => {
    fc.assert(
      fc.property(fc.array(values, { maxLength: 4 }), (list) => {
        expect(parse(marshal(list))).toEqual(list);
      }),
      { seed: 1, numRuns: RUNS },
    );
  });

  test('mutated input gives values or a named error, and never more values than the limit', () => {
    let errors = 0;
    const runs = fuzz([seed, marshal(tree.slice(0, 2)), marshal(tree.slice(2, 3))], (bytes) => {
      try {
        const count = parse(bytes).reduce<number>((sum, value) => sum + countOf(value), 0);
        if (count > 2 * AMF_MAX_VALUES) throw new Error(`${count} values`);
      } catch (error) {
        if (!isRtmpError(error)) throw error;
        errors += 1;
      }
    });
    expect(runs).toBeGreaterThanOrEqual(FUZZ_RUNS);
    expect(errors).toBeGreaterThan(runs / 10);
  });
});
