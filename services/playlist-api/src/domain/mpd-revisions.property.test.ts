import { describe, expect, test } from '@jest/globals';
import { session } from '@millrace/contracts';
import type { sink } from '@millrace/contracts';
import { marshalMpd } from '@millrace/media';
import type { MpdInput, MpdPeriod, MpdSegment, MpdSegmentTemplate } from '@millrace/media';
import * as fc from 'fast-check';
import { FIRST_K, presentationOf, recordOf, rowsOf, RunAuthor } from '../testing/session-data.ts';
import { presentationMpd } from './presentation-mpd.ts';
import { emptyView, isPlayable, withRecord, withRows } from './session-view.ts';
import type { SessionView } from './session-view.ts';

const NUM_RUNS = Math.min(2000, Number(process.env['MILLRACE_FUZZ_RUNS'] ?? 100));
const RENDITIONS = ['720p', '360p', 'audio'];
/** What an audio segment may stick out of the grid. */
const AUDIO_FRAME_SECONDS = 1024 / 48_000;

/** What happens next in a session. */
type Step =
  | { readonly kind: 'segments'; readonly count: number; readonly gaps: readonly string[] }
  | { readonly kind: 'reconnect'; readonly skipped: number; readonly lastSeconds: LastSeconds };

/** What the media of a period's last segment lasts. */
interface LastSeconds {
  readonly video: number;
  readonly audio: number;
}

const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('segments' as const),
        count: fc.integer({ min: 1, max: 4 }),
        gaps: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.subarray(RENDITIONS)),
      }),
    },
    fc.record({
      kind: fc.constant('reconnect' as const),
      skipped: fc.integer({ min: 0, max: 9 }),
      lastSeconds: fc.record({
        video: fc.integer({ min: 1, max: 60 }).map((frames) => frames / 30),
        audio: fc.integer({ min: 1, max: 94 }).map((frames) => (frames * 1024) / 48_000),
      }),
    }),
  ),
  { minLength: 1, maxLength: 20 },
);

/** Every view that the steps lead to: one for each segment, period and end. */
function viewsOf(script: readonly Step[]): SessionView[] {
  let view = emptyView(recordOf());
  let nextK = FIRST_K;
  const runs = new RunAuthor();
  const views: SessionView[] = [];
  const change = (record: Partial<session.SessionRecord>): void => {
    view = withRecord(view, { ...view.record, ...record, revision: view.record.revision + 1 });
    views.push(view);
  };
  for (const [index, step] of [...script, { kind: 'end' } as const].entries()) {
    const ordinal = view.record.periods.length - 1;
    if (step.kind === 'segments') {
      const next = script[index + 1];
      const isCut = next?.kind === 'reconnect';
      for (let left = step.count; left > 0; left -= 1) {
        const cut = isCut && left === 1 ? { lastSeconds: next.lastSeconds } : {};
        const rows = rowsOf(nextK, 1, { period: ordinal, gaps: step.gaps, ...cut });
        view = withRows(view, runs.author(rows));
        views.push(view);
        nextK += 1;
      }
      continue;
    }
    const periods = view.record.periods.map((period) =>
      period.ordinal === ordinal ? { ...period, lastK: nextK - 1 } : period,
    );
    change({ periods });
    if (step.kind === 'end') {
      change({ state: session.SessionState.ENDED });
      continue;
    }
    nextK += step.skipped;
    const opened = { ordinal: ordinal + 1, firstK: nextK, startTicks: 0, tracks: [], reason: 'reconnect' };
    change({ periods: [...periods, opened] });
  }
  return views.filter(isPlayable);
}

const timelineOf = (template: MpdSegmentTemplate): readonly MpdSegment[] =>
  template.addressing.kind === 'timeline' ? template.addressing.segments : [];

const templatesOf = (period: MpdPeriod): MpdSegmentTemplate[] =>
  period.adaptationSets.flatMap(({ representations }) => representations.map(({ template }) => template));

const seconds = ({ value, timescale }: { value: number; timescale: number }): number => value / timescale;

/** What T-2 fixes for as long as a Period is listed. */
const fixedOf = (period: MpdPeriod): unknown => ({
  id: period.id,
  start: period.start,
  sets: period.adaptationSets.map((set) => ({
    ...set,
    representations: set.representations.map(({ template, ...rest }) => ({
      ...rest,
      template: { ...template, addressing: template.addressing.kind, startNumber: 0 },
    })),
  })),
});

/** Where the longest representation of a Period ends. */
const mediaEndOf = (period: MpdPeriod): number =>
  Math.max(
    ...templatesOf(period).map((template) => {
      const last = timelineOf(template).at(-1) ?? { t: 0, d: 0 };
      return (last.t + last.d) / template.timescale;
    }),
  );

/** One revision by itself: T-4 (no gap, no overlap, no empty Period), Periods in order. */
function expectSound(mpd: MpdInput): void {
  expect(mpd.periods.length).toBeGreaterThan(0);
  for (const [index, period] of mpd.periods.entries()) {
    expect(period.adaptationSets.length).toBeGreaterThan(0);
    for (const template of templatesOf(period)) {
      const segments = timelineOf(template);
      expect(segments.length).toBeGreaterThan(0);
      for (const [position, segment] of segments.entries()) {
        const next = segments[position + 1];
        expect(segment.d).toBeGreaterThan(0);
        if (next !== undefined) expect(next.t).toBe(segment.t + segment.d);
      }
    }
    const following = mpd.periods[index + 1];
    const end = period.duration === undefined ? undefined : seconds(period.start) + seconds(period.duration);
    if (following !== undefined)
      expect(seconds(following.start)).toBeGreaterThanOrEqual(end ?? seconds(period.start) + 1);
    if (end !== undefined) expect(Math.abs(end - mediaEndOf(period))).toBeLessThan(AUDIO_FRAME_SECONDS);
    if (end !== undefined && following === undefined && mpd.life.type === 'static')
      expect(seconds(mpd.life.mediaPresentationDuration)).toBeCloseTo(end, 5);
  }
}

/** Two revisions in a row: T-1, T-2, T-4. */
function expectLegalEdit(before: MpdInput, after: MpdInput): void {
  expect(after.id).toBe(before.id);
  expect(after.availabilityStartMs).toBe(before.availabilityStartMs);
  expect(after.maxSegmentDuration).toEqual(before.maxSegmentDuration);
  expect(after.publishTimeMs).toBeGreaterThanOrEqual(before.publishTimeMs);
  if (JSON.stringify(after) !== JSON.stringify(before))
    expect(after.publishTimeMs).toBeGreaterThan(before.publishTimeMs);
  const ids = after.periods.map(({ id }) => id);
  const kept = before.periods.filter(({ id }) => ids.includes(id));
  // Periods leave at the head and come at the tail.
  expect(before.periods.slice(before.periods.length - kept.length)).toEqual(kept);
  expect(ids.slice(0, kept.length)).toEqual(kept.map(({ id }) => id));
  for (const [index, old] of kept.entries()) {
    const now = after.periods[index];
    if (now === undefined) throw new Error('lost');
    expect(fixedOf(now)).toEqual(fixedOf(old));
    const isLast = old === before.periods.at(-1);
    if (old.duration !== undefined) expect(now.duration).toEqual(old.duration);
    for (const [position, template] of templatesOf(now).entries()) {
      const oldTemplate = templatesOf(old)[position];
      if (oldTemplate === undefined) throw new Error('lost');
      expectTimelineEdit(oldTemplate, template, isLast);
    }
  }
}

function expectTimelineEdit(before: MpdSegmentTemplate, after: MpdSegmentTemplate, isLast: boolean): void {
  const removed = after.startNumber - before.startNumber;
  expect(removed).toBeGreaterThanOrEqual(0);
  const left = timelineOf(before).slice(removed);
  const now = timelineOf(after);
  expect(now.slice(0, left.length)).toEqual(left);
  if (!isLast) expect(now).toHaveLength(left.length);
}

describe('revisions of an MPD', () => {
  test.each(['timeline', 'number'] as const)(
    'T-1, T-2, T-4: only legal edits follow each other (%s)',
    (form) => {
      fc.assert(
        fc.property(steps, (script) => {
          const mpds = viewsOf(script).map((view) => presentationMpd(view, presentationOf(), form));
          for (const [index, mpd] of mpds.entries()) {
            if (form === 'timeline') expectSound(mpd);
            const before = mpds[index - 1];
            if (before !== undefined) expectLegalEdit(before, mpd);
          }
        }),
        { numRuns: NUM_RUNS, seed: 1 },
      );
    },
  );

  test('C-4: the $Number$ form is never more than half a segment beside the timeline', () => {
    let comparedSegments = 0;
    fc.assert(
      fc.property(steps, (script) => {
        const view = viewsOf(script).at(-1);
        if (view === undefined) return;
        const timeline = presentationMpd(view, presentationOf(), 'timeline').periods.flatMap(templatesOf);
        const numbers = presentationMpd(view, presentationOf(), 'number').periods.flatMap(templatesOf);
        for (const [
          index,
          { startNumber, presentationTimeOffset, addressing, timescale },
        ] of numbers.entries()) {
          const exact = timeline[index];
          if (addressing.kind !== 'duration' || exact === undefined) throw new Error('no pair');
          for (const [position, { t }] of timelineOf(exact).entries()) {
            comparedSegments += 1;
            const number = exact.startNumber + position;
            const nominal =
              (presentationTimeOffset + (number - startNumber) * addressing.duration) / timescale;
            expect(Math.abs(t / exact.timescale - nominal)).toBeLessThan(1);
          }
        }
      }),
      { numRuns: NUM_RUNS, seed: 1 },
    );
    expect(comparedSegments).toBeGreaterThanOrEqual(6 * NUM_RUNS);
  });

  test('replicas that got the same rows in other batches write equal bytes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.subarray(RENDITIONS),
        fc.infiniteStream(fc.nat()),
        (count, gaps, picks) => {
          const rows = new RunAuthor().author([
            ...rowsOf(FIRST_K, count),
            ...rowsOf(FIRST_K + count, 3, { gaps }),
          ]);
          const whole = withRows(emptyView(recordOf()), rows);
          // Rows of one rendition come in order; how renditions interleave is nobody's promise.
          const queues = RENDITIONS.map((id) => rows.filter(({ renditionId }) => renditionId === id));
          let mixed = emptyView(recordOf());
          while (queues.some((queue) => queue.length > 0)) {
            const waiting = queues.filter((queue) => queue.length > 0);
            const queue = waiting[(picks.next().value ?? 0) % waiting.length] as sink.Row[];
            mixed = withRows(mixed, queue.splice(0, 1 + ((picks.next().value ?? 0) % 3)));
          }
          expect(marshalMpd(presentationMpd(mixed, presentationOf(), 'timeline'))).toBe(
            marshalMpd(presentationMpd(whole, presentationOf(), 'timeline')),
          );
        },
      ),
      { numRuns: NUM_RUNS, seed: 1 },
    );
  });

  test('a replica that starts late, with the rows of the window only, writes equal bytes whatever came before', () => {
    const compared = { all: 0, withPast: 0, withPeriods: 0 };
    fc.assert(
      fc.property(steps, fc.nat(), (script, drawn) => {
        const views = viewsOf(script);
        const early = views[drawn % Math.max(1, views.length)];
        if (early === undefined) return;
        const ks = (early.rows.get('720p') ?? []).map(({ k }) => k).slice(-presentationOf().windowSegments);
        const rows = [...early.rows.values()].flat().filter(({ k }) => ks.includes(k));
        const late = withRows(emptyView(early.record), rows);
        // A window in which a player cannot start: this replica has nothing to say yet.
        if (!isPlayable(late)) return;
        compared.all += 1;
        if ((ks[0] ?? 0) > FIRST_K) compared.withPast += 1;
        if (early.record.periods.length > 1) compared.withPeriods += 1;
        for (const form of ['timeline', 'number'] as const) {
          const [a, b] = [early, late].map((view) =>
            marshalMpd(presentationMpd(view, presentationOf(), form)),
          );
          expect(b).toBe(a);
        }
      }),
      { numRuns: NUM_RUNS, seed: 1 },
    );
    // What is left out must stay the exception, and what makes a late replica differ must be among the rest.
    expect(compared.all).toBeGreaterThanOrEqual(0.9 * NUM_RUNS);
    expect(compared.withPast).toBeGreaterThanOrEqual(NUM_RUNS / 5);
    expect(compared.withPeriods).toBeGreaterThanOrEqual(NUM_RUNS / 5);
  });
});
