import { describe, expect, test } from '@jest/globals';
import type { EventRecord } from './cloud-event.ts';
import { Outbox } from './outbox.ts';

const ALL = { maxEvents: 1000, maxBytes: 1_000_000 };

/** `a1` has the key `a`. */
function record(id: string, bytes = 10): EventRecord {
  return { key: id.slice(0, 1), value: Buffer.alloc(0), headers: { ce_id: id }, bytes };
}

function fill(outbox: Outbox, ...ids: readonly string[]): number {
  return ids.reduce((dropped, id) => dropped + outbox.add(record(id)), 0);
}

function ids(records: readonly EventRecord[]): readonly (string | undefined)[] {
  return records.map(({ headers }) => headers['ce_id']);
}

const byLetter = (key: string): number => key.charCodeAt(0) - 97;

describe('outbox', () => {
  test('keeps order within a partition, also of what came before the partitions were known', () => {
    const outbox = new Outbox(ALL);
    fill(outbox, 'a1', 'b1', 'a2');
    expect(outbox.idlePartitions()).toEqual([]);
    outbox.route(byLetter);
    fill(outbox, 'a3');
    expect(outbox.idlePartitions()).toEqual([0, 1]);
    expect(ids(outbox.takeBatch(0, ALL))).toEqual(['a1', 'a2', 'a3']);
    expect(ids(outbox.takeBatch(1, ALL))).toEqual(['b1']);
  });

  test('has at most one batch of a partition under way', () => {
    const outbox = new Outbox(ALL);
    outbox.route(byLetter);
    fill(outbox, 'a1');
    outbox.takeBatch(0, ALL);
    fill(outbox, 'a2');
    expect(outbox.idlePartitions()).toEqual([]);
    outbox.settle(0, 'removed');
    expect(outbox.idlePartitions()).toEqual([0]);
    expect(ids(outbox.takeBatch(0, ALL))).toEqual(['a2']);
  });

  test('sends again what was not written, in front of what came later', () => {
    const outbox = new Outbox(ALL);
    outbox.route(byLetter);
    fill(outbox, 'a1', 'a2');
    outbox.takeBatch(0, { maxEvents: 1, maxBytes: 1000 });
    outbox.settle(0, 'kept');
    fill(outbox, 'a3');
    outbox.route(() => 7);
    expect(ids(outbox.takeBatch(7, ALL))).toEqual(['a1', 'a2', 'a3']);
  });

  test('takes batches within their limits, and one event however large', () => {
    const outbox = new Outbox(ALL);
    outbox.route(byLetter);
    outbox.add(record('a1', 500));
    fill(outbox, 'a2', 'a3', 'a4');
    const limits = { maxEvents: 2, maxBytes: 100 };
    expect(ids(outbox.takeBatch(0, limits))).toEqual(['a1']);
    outbox.settle(0, 'removed');
    expect(ids(outbox.takeBatch(0, limits))).toEqual(['a2', 'a3']);
  });

  test('drops the oldest of all partitions past its number', () => {
    const outbox = new Outbox({ maxEvents: 3, maxBytes: 1_000_000 });
    outbox.route(byLetter);
    expect(fill(outbox, 'a1', 'b1', 'a2', 'b2', 'a3')).toBe(2);
    expect(outbox.events).toBe(3);
    expect(ids(outbox.takeBatch(0, ALL))).toEqual(['a2', 'a3']);
    expect(ids(outbox.takeBatch(1, ALL))).toEqual(['b2']);
  });

  test('drops the oldest past its bytes, also while the partitions are unknown', () => {
    const outbox = new Outbox({ maxEvents: 100, maxBytes: 35 });
    expect(fill(outbox, 'a1', 'a2', 'a3', 'a4')).toBe(1);
    expect(outbox.bytes).toBe(30);
    expect(outbox.add(record('a5', 34))).toBe(3);
    expect(outbox.bytes).toBe(34);
  });

  test('never drops what is under way', () => {
    const outbox = new Outbox({ maxEvents: 2, maxBytes: 1_000_000 });
    outbox.route(byLetter);
    fill(outbox, 'a1', 'a2');
    outbox.takeBatch(0, ALL);
    expect(fill(outbox, 'a3')).toBe(1);
    outbox.settle(0, 'kept');
    expect(ids(outbox.takeBatch(0, ALL))).toEqual(['a1', 'a2']);
  });
});
