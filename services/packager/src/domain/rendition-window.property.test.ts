import { expect, test } from '@jest/globals';
import type { sink } from '@millrace/contracts';
import * as fc from 'fast-check';
import { renderMediaPlaylist } from './media-playlist.ts';
import { MemoryBudget } from './memory-budget.ts';
import { checkPart } from './part-rules.ts';
import { RenditionWindow } from './rendition-window.ts';

const RUNS = Math.min(Number(process.env['MILLRACE_FUZZ_RUNS'] ?? 300), 1000);
const TERMS = {
  timescale: 90_000,
  segmentSeconds: 2,
  targetDurationSeconds: 2,
  windowSegments: 6,
  isRemadeWhole: false,
};
const MAX_BYTES = 1 << 20;

/** What a segment of a random session is like. */
const segment = fc.record({
  opensPeriod: fc.nat({ max: 9 }).map((draw) => draw === 0),
  isGap: fc.nat({ max: 7 }).map((draw) => draw === 0),
  partTicks: fc.array(fc.integer({ min: 1, max: 90_000 }), { minLength: 1, maxLength: 2 }),
  elapsedMs: fc.integer({ min: 0, max: 6000 }),
});
type DrawnSegment = typeof segment extends fc.Arbitrary<infer T> ? T : never;

/** The parts of a session, as the lease holder authors them. */
function* authored(segments: readonly DrawnSegment[]): Iterable<{ part: sink.Part; elapsedMs: number }> {
  let k = 1000;
  let period = 0;
  let run = { period, isGap: false, firstK: k };
  for (const [row, { opensPeriod, isGap, partTicks, elapsedMs }] of segments.entries()) {
    if (opensPeriod && row > 0) {
      period += 1;
      k += 2;
    }
    if (row === 0 || run.period !== period || run.isGap !== isGap) run = { period, isGap, firstK: k };
    for (const [index, durationTicks] of partTicks.entries()) {
      const part = {
        renditionId: '720p',
        position: { k, part: index },
        period,
        msn: 500 + row,
        discontinuitySequence: period,
        hasDiscontinuity: opensPeriod && row > 0,
        runFirstK: index === partTicks.length - 1 ? run.firstK : 0,
        baseMediaDecodeTime: k * 180_000,
        durationTicks,
        utcOffsetUs: 0,
        isIndependent: !isGap,
        isGap,
        isLast: index === partTicks.length - 1,
        data: Buffer.alloc(isGap ? 0 : 10, k % 251),
      };
      yield { part, elapsedMs: index === 0 ? elapsedMs : 0 };
    }
    k += 1;
  }
}

function take(window: RenditionWindow, part: sink.Part, nowMs: number): string {
  if (!checkPart(part, MAX_BYTES)) throw new Error('the test made a part that is not one');
  return window.take(part, nowMs).kind;
}

function render(
  window: RenditionWindow,
  {
    isEnded = false,
    hasInit = () => true,
    firstKOf = () => undefined,
  }: {
    isEnded?: boolean;
    hasInit?: (period: number) => boolean;
    firstKOf?: (period: number) => number | undefined;
  } = {},
): string {
  const segments = window.window();
  return renderMediaPlaylist({ form: 'fmp4', segments, terms: TERMS, isEnded, hasInit, firstKOf });
}

interface Read {
  readonly mediaSequence: number;
  readonly discontinuitySequence: number;
  /** The lines in front of the first segment that do not count anything. */
  readonly header: readonly string[];
  /** Each segment with its tags and the MAP of its period that is in force. */
  readonly segments: readonly {
    readonly msn: number;
    readonly dsn: number;
    readonly text: string;
    readonly seconds: number;
  }[];
}

/** Reads a playlist line by line, by the text of RFC 8216bis and without anything of ours. */
function read(text: string): Read {
  const number = (tag: string): number => Number(new RegExp(`#EXT-X-${tag}:(\\d+)`).exec(text)?.[1]);
  const mediaSequence = number('MEDIA-SEQUENCE');
  const discontinuitySequence = number('DISCONTINUITY-SEQUENCE');
  const segments: { msn: number; dsn: number; text: string; seconds: number }[] = [];
  let dsn = discontinuitySequence;
  let map = '';
  let tags: string[] = [];
  for (const line of text.split('\n').slice(6)) {
    if (line === '#EXT-X-DISCONTINUITY') {
      dsn += 1;
      map = '';
    }
    if (line.startsWith('#EXT-X-MAP')) map = line;
    else if (line.startsWith('#')) tags.push(line);
    else if (line !== '') {
      const seconds = Number(/#EXTINF:([\d.]+)/.exec(tags.join('\n'))?.[1]);
      segments.push({
        msn: mediaSequence + segments.length,
        dsn,
        text: [map, ...tags, line].join('\n'),
        seconds,
      });
      tags = [];
    }
  }
  const header = text
    .split('\n')
    .slice(0, 6)
    .filter((line) => !/-SEQUENCE:/.test(line));
  return { mediaSequence, discontinuitySequence, header, segments };
}

const session = fc.array(segment, { minLength: 1, maxLength: 40 });

test('each playlist is a legal change of the one before (H-4, H-5, H-6)', () => {
  fc.assert(
    fc.property(session, (segments) => {
      const window = new RenditionWindow('720p', new MemoryBudget(limits(), () => undefined).openAccount());
      window.setTerms(TERMS);
      let before: Read | undefined;
      let nowMs = 0;
      // The init segment of a period comes with its first media, behind gaps it may begin with.
      const inits = new Set<number>();
      const hasInit = (period: number): boolean => inits.has(period);
      const firstKs = new Map<number, number>();
      const firstKOf = (period: number): number | undefined => firstKs.get(period);
      for (const { part, elapsedMs } of authored(segments)) {
        nowMs += elapsedMs;
        if (!firstKs.has(part.period)) firstKs.set(part.period, part.position?.k ?? 0);
        if (!part.isGap) inits.add(part.period);
        expect(take(window, part, nowMs)).toBe('stored');
        if (window.lastComplete === undefined) continue;
        const now = read(render(window, { hasInit, firstKOf }));
        if (before !== undefined) {
          expect(now.mediaSequence).toBeGreaterThanOrEqual(before.mediaSequence);
          expect(now.discontinuitySequence).toBeGreaterThanOrEqual(before.discontinuitySequence);
          expect(now.header).toEqual(before.header);
          const removed = now.mediaSequence - before.mediaSequence;
          const kept = before.segments.slice(removed);
          // Whatever stays says the same, its discontinuity included.
          expect(now.segments.slice(0, kept.length)).toEqual(kept);
          expect(now.segments.length).toBeGreaterThanOrEqual(kept.length);
        }
        before = now;
      }
    }),
    { seed: 1, numRuns: RUNS },
  );
});

test('a playlist is never below six segments and three target durations once it was that long (H-8)', () => {
  fc.assert(
    fc.property(session, (segments) => {
      const window = new RenditionWindow('720p', new MemoryBudget(limits(), () => undefined).openAccount());
      window.setTerms(TERMS);
      for (const { part } of authored(segments)) take(window, part, 0);
      const { segments: listed, mediaSequence } = read(render(window));
      const seconds = listed.reduce((sum, entry) => sum + entry.seconds, 0);
      if (mediaSequence > 500) {
        expect(listed.length).toBeGreaterThanOrEqual(6);
        expect(seconds).toBeGreaterThan(6 - 1e-3);
        // And no longer than it has to be.
        const without = listed.slice(1);
        const shorter = without.reduce((sum, entry) => sum + entry.seconds, 0);
        expect(without.length < 6 || shorter < 6 + 1e-3).toBe(true);
      }
    }),
    { seed: 1, numRuns: RUNS },
  );
});

test('a replica that got every part again writes the same bytes', () => {
  fc.assert(
    fc.property(session, fc.infiniteStream(fc.nat({ max: 3 })), (segments, repeats) => {
      const one = new RenditionWindow('720p', new MemoryBudget(limits(), () => undefined).openAccount());
      const other = new RenditionWindow('720p', new MemoryBudget(limits(), () => undefined).openAccount());
      for (const window of [one, other]) window.setTerms(TERMS);
      for (const { part, elapsedMs } of authored(segments)) {
        take(one, part, elapsedMs);
        for (let count = repeats.next().value ?? 0; count >= 0; count -= 1)
          expect(['stored', 'duplicate']).toContain(take(other, { ...part }, 0));
        if (one.lastComplete !== undefined) expect(render(other)).toBe(render(one));
      }
    }),
    { seed: 1, numRuns: RUNS },
  );
});

test('a replica that began at any row writes the same bytes once it holds as many rows (H-6)', () => {
  fc.assert(
    fc.property(session, fc.nat({ max: 39 }), (segments, missed) => {
      const one = new RenditionWindow('720p', new MemoryBudget(limits(), () => undefined).openAccount());
      const late = new RenditionWindow('720p', new MemoryBudget(limits(), () => undefined).openAccount());
      for (const window of [one, late]) window.setTerms(TERMS);
      for (const { part } of authored(segments)) {
        take(one, part, 0);
        if (part.msn < 500 + missed) continue;
        expect(take(late, part, 0)).toBe('stored');
        if (late.completeCount >= one.window().length && part.isLast) expect(render(late)).toBe(render(one));
      }
    }),
    { seed: 1, numRuns: RUNS },
  );
});

test('the account is what is held, and nothing is left after the end', () => {
  fc.assert(
    fc.property(session, (segments) => {
      const budget = new MemoryBudget(limits(), () => undefined);
      const window = new RenditionWindow('720p', budget.openAccount());
      window.setTerms(TERMS);
      let nowMs = 0;
      for (const { part, elapsedMs } of authored(segments)) take(window, part, (nowMs += elapsedMs));
      const held = window.complete.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      expect(budget.totalBytes).toBe(held);
      window.clear();
      expect(budget.totalBytes).toBe(0);
    }),
    { seed: 1, numRuns: RUNS },
  );
});

test('parts in any order are stored, duplicates or refused, and never break the rows', () => {
  fc.assert(
    fc.property(session, fc.infiniteStream(fc.nat()), (segments, draws) => {
      const window = new RenditionWindow('720p', new MemoryBudget(limits(), () => undefined).openAccount());
      window.setTerms(TERMS);
      const parts = [...authored(segments)].map(({ part }) => part);
      for (let count = 0; count < parts.length * 2; count += 1) {
        const part = parts[(draws.next().value ?? 0) % parts.length];
        if (part !== undefined) take(window, part, 0);
      }
      const { complete } = window;
      for (const [index, row] of complete.entries()) {
        const previous = complete[index - 1];
        if (previous === undefined) continue;
        expect(row.msn).toBe(previous.msn + 1);
        expect(row.k).toBeGreaterThan(previous.k);
        expect(row.hasDiscontinuity).toBe(row.period !== previous.period);
        expect(row.discontinuitySequence - previous.discontinuitySequence).toBe(row.hasDiscontinuity ? 1 : 0);
      }
    }),
    { seed: 1, numRuns: RUNS },
  );
});

function limits(): { maxTotalBytes: number; maxSessionBytes: number } {
  return { maxTotalBytes: MAX_BYTES, maxSessionBytes: MAX_BYTES };
}
