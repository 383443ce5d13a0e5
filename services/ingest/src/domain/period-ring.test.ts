import { describe, expect, test } from '@jest/globals';
import type { TimelineUnit } from '@millrace/media';
import { START_TICKS, audioUnit, periodOf, videoUnit } from '../testing/units.ts';
import { PeriodRing } from './period-ring.ts';
import type { RingCursor } from './period-ring.ts';
import { SlabPool } from './slab-pool.ts';
import type { StoredUnit } from './unit-store.ts';

const AMPLE = { seconds: 20, maxBytes: 64 * 1024 * 1024 };
const ALL = Number.POSITIVE_INFINITY;

function ringOf(kinds: readonly ('video' | 'audio')[], bounds = AMPLE): PeriodRing {
  return new PeriodRing(periodOf(kinds), bounds, new SlabPool(0));
}

/** Video and audio of `seconds`, in the order of their times. */
function fill(ring: PeriodRing, seconds: number, bytes = 100): void {
  let audio = 0;
  for (let index = 0; index < seconds * 25; index += 1) {
    if (index % 50 === 0) ring.append({ type: 'segment-started', k: index / 50, utcOffsetUs: 0 });
    for (; audio * 1024 <= index * 1920; audio += 1) ring.append(audioUnit(audio));
    ring.append(videoUnit(index, 50, bytes));
  }
}

function unitsFrom(ring: PeriodRing, cursor: RingCursor | undefined): StoredUnit[] {
  if (cursor === undefined) throw new Error('the position is gone');
  return (ring.read(cursor, ALL) ?? []).filter((entry) => entry.type === 'unit');
}

const at = (seconds: number): number => START_TICKS + seconds * 90_000;

describe('ring of a period', () => {
  test('begins at an IDR and keeps 20 s in whole GOPs', () => {
    const ring = ringOf(['video', 'audio']);
    fill(ring, 60);
    expect(ring.seek(at(36) - 1)).toBeUndefined();
    const [first] = unitsFrom(ring, ring.seek(at(39))).filter(({ kind }) => kind === 'video');
    expect(first).toMatchObject({ dts: at(38), isRandomAccess: true });
  });

  test('keeps two GOPs when they are longer than 20 s', () => {
    const ring = ringOf(['video']);
    for (let index = 0; index < 25 * 200; index += 1) ring.append(videoUnit(index, 25 * 30));
    expect(unitsFrom(ring, ring.seek(at(149)))[0]?.dts).toBe(at(120));
    expect(ring.seek(at(110))).toBeUndefined();
  });

  test('a position on an IDR begins at that IDR, not one before', () => {
    const ring = ringOf(['video', 'audio']);
    fill(ring, 10);
    for (const seconds of [2, 4, 6]) {
      const video = unitsFrom(ring, ring.seek(at(seconds))).filter(({ kind }) => kind === 'video');
      expect(video[0]?.dts).toBe(at(seconds));
    }
    expect(unitsFrom(ring, ring.seek(at(4) - 1)).find(({ kind }) => kind === 'video')?.dts).toBe(at(2));
  });

  test('a decoder gets two audio frames before the IDR, and no video that it could not decode', () => {
    const ring = ringOf(['video', 'audio']);
    fill(ring, 10);
    const units = unitsFrom(ring, ring.seek(at(4)));
    const [audio] = units.filter(({ kind }) => kind === 'audio');
    const leadFrames = (at(4) / 90_000 - (audio?.dts ?? 0) / 48_000) / (1024 / 48_000);
    expect(leadFrames).toBeGreaterThanOrEqual(2);
    expect(leadFrames).toBeLessThan(4);
    expect(units.filter(({ kind }) => kind === 'video').every(({ dts }) => dts >= at(4))).toBe(true);
  });

  test('without a position it begins at the period’s first IDR, or nowhere once that is gone', () => {
    const ring = ringOf(['video', 'audio']);
    fill(ring, 5);
    expect(unitsFrom(ring, ring.seek(undefined)).find(({ kind }) => kind === 'video')?.dts).toBe(at(0));
    fill(ring, 60);
    expect(ring.seek(undefined)).toBeUndefined();
  });

  test('stays below its bound in bytes, and tells a reader whom it has passed', () => {
    const bounds = { seconds: 20, maxBytes: 1_000_000 };
    const ring = ringOf(['video', 'audio'], bounds);
    fill(ring, 3, 4000);
    const cursor = ring.seek(undefined);
    fill(ring, 30, 4000);
    expect(ring.bytes).toBeLessThanOrEqual(bounds.maxBytes);
    expect(cursor === undefined ? [] : ring.read(cursor, ALL)).toBeUndefined();
  });

  test('a GOP that is larger than the bound is cut, and the next IDR is a place to begin again', () => {
    const bounds = { seconds: 20, maxBytes: 100_000 };
    const ring = ringOf(['video'], bounds);
    for (let index = 0; index < 500; index += 1) {
      ring.append(videoUnit(index, 400, 1000));
      expect(ring.bytes).toBeLessThanOrEqual(bounds.maxBytes);
      if (index === 399) expect(ring.seek(at(15))).toBeUndefined();
    }
    expect(ring.seek(at(15))).toBeUndefined();
    ring.append(videoUnit(800, 400, 1000));
    expect(unitsFrom(ring, ring.seek(at(32)))[0]).toMatchObject({ dts: at(32), isRandomAccess: true });
  });

  test('audio alone begins within about a second, two frames early', () => {
    const ring = ringOf(['audio']);
    for (let index = 0; index < 48 * 60; index += 1) ring.append(audioUnit(index));
    const [first] = unitsFrom(ring, ring.seek(at(50)));
    const lead = at(50) / 90_000 - (first?.dts ?? 0) / 48_000;
    expect(lead).toBeGreaterThanOrEqual((2 * 1024) / 48_000);
    expect(lead).toBeLessThan(1.2);
  });

  test('the wall clock of the segment in which a reader begins is known, even when its entry is gone', () => {
    const ring = ringOf(['video', 'audio']);
    fill(ring, 60);
    const cursor = ring.seek(at(45));
    if (cursor === undefined) throw new Error('gone');
    expect(ring.wallClocksBefore(cursor).at(-1)?.k).toBe(21);
    const oldest = ring.seek(at(39));
    if (oldest === undefined) throw new Error('gone');
    expect(ring.wallClocksBefore(oldest).map(({ k }) => k)).toContain(18);
  });

  test('a reader takes about as much as it asks for, and everything in the end', () => {
    const ring = ringOf(['video', 'audio']);
    fill(ring, 10, 1000);
    const cursor = ring.seek(undefined);
    if (cursor === undefined) throw new Error('gone');
    const read: TimelineUnit['dts'][] = [];
    for (;;) {
      const entries = ring.read(cursor, 10_000) ?? [];
      if (entries.length === 0) break;
      const units = entries.filter((entry) => entry.type === 'unit');
      expect(units.reduce((sum, { data }) => sum + data.length, 0)).toBeLessThan(11_100);
      read.push(...units.filter(({ kind }) => kind === 'video').map(({ dts }) => dts));
    }
    expect(read).toEqual(Array.from({ length: 250 }, (_, index) => START_TICKS + index * 3600));
  });
});
