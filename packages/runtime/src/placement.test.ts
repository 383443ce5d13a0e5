import { describe, expect, test } from '@jest/globals';
import type { InstanceRegistration } from './ports/instance-directory.ts';
import { choosePackagers } from './placement.ts';

const packager = (id: string, change: Partial<InstanceRegistration> = {}): InstanceRegistration => ({
  kind: 'packager',
  id,
  address: `${id}:9102`,
  runId: '',
  capacityUnits: 10,
  loadUnits: 0,
  isDraining: false,
  ...change,
});
const FIVE = ['a', 'b', 'c', 'd', 'e'].map((id) => packager(id));
const idsOf = (sessionId: string, packagers: readonly InstanceRegistration[]): readonly string[] =>
  choosePackagers(sessionId, packagers).map(({ id }) => id);

describe('the first placement of a session', () => {
  test('is on two packagers, the same whatever the order in which they are listed', () => {
    const chosen = choosePackagers('s1', FIVE);
    expect(chosen).toHaveLength(2);
    expect(choosePackagers('s1', FIVE.toReversed())).toEqual(chosen);
    expect(chosen[0]?.address).toBe(`${chosen[0]?.id}:9102`);
  });

  test('spreads sessions over all of them', () => {
    const counts = new Map<string, number>();
    for (let index = 0; index < 1000; index += 1) {
      for (const id of idsOf(`session-${index}`, FIVE)) counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    // 400 each if it were exact.
    for (const { id } of FIVE) expect(Math.abs((counts.get(id) ?? 0) - 400)).toBeLessThan(80);
  });

  test('moves only the sessions of a packager that is gone', () => {
    for (let index = 0; index < 100; index += 1) {
      const before = idsOf(`session-${index}`, FIVE);
      const after = idsOf(`session-${index}`, FIVE.slice(1));
      for (const id of before) if (id !== 'a') expect(after).toContain(id);
    }
  });

  test('leaves out who drains or is full while there are others, and takes them when there are not', () => {
    const [a, b, c] = [packager('a', { isDraining: true }), packager('b', { loadUnits: 10 }), packager('c')];
    expect(idsOf('s', [a, b, c])[0]).toBe('c');
    expect(idsOf('s', [a, b, c])).toHaveLength(2);
    expect(idsOf('s', [a, c, packager('d')]).toSorted()).toEqual(['c', 'd']);
    expect(idsOf('s', [a])).toEqual(['a']);
    expect(idsOf('s', [])).toEqual([]);
  });
});
