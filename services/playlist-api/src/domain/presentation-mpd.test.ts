import { describe, expect, test } from '@jest/globals';
import { session } from '@millrace/contracts';
import type { sink } from '@millrace/contracts';
import { marshalMpd } from '@millrace/media';
import { FIRST_K, presentationOf, recordOf, rowsOf, RunAuthor } from '../testing/session-data.ts';
import { presentationMpd } from './presentation-mpd.ts';
import type { MpdForm } from './presentation-mpd.ts';
import { emptyView, withRecord, withRows } from './session-view.ts';
import type { SessionView } from './session-view.ts';

const mpdOf = (view: SessionView, form: MpdForm = 'timeline'): string =>
  marshalMpd(presentationMpd(view, view.record.presentation ?? presentationOf(), form));

/** A session of which rows came in this order, all that were ever made. */
const viewOfRows = (...rows: readonly (readonly sink.Row[])[]): SessionView =>
  withRows(emptyView(recordOf()), new RunAuthor().author(rows.flat()));

const viewOf = (count: number, change: Partial<session.SessionRecord> = {}): SessionView =>
  withRows(emptyView(recordOf(change)), rowsOf(FIRST_K, count));

describe('MPD of a session', () => {
  test('E-1, T-1, T-8: the SegmentTimeline form is, byte for byte', () => {
    expect(mpdOf(viewOf(2))).toMatchSnapshot();
  });

  test('publishTime is when the last listed segment was captured, by the offset that came with it', () => {
    const rows = rowsOf(FIRST_K, 2).map((row) => ({ ...row, utcOffsetUs: -1_234_567 }));
    const view = withRows(emptyView(recordOf()), rows);
    const { publishTimeMs } = presentationMpd(view, presentationOf(), 'timeline');
    expect(publishTimeMs).toBe((FIRST_K + 2) * 2000 - 1235);
  });

  test('T-1: a replica that has not heard of the end of a period yet answers the same', () => {
    const [period] = recordOf().periods;
    if (period === undefined) throw new Error('the record has no period');
    const ended = viewOf(2, { periods: [{ ...period, lastK: FIRST_K + 1 }] });
    expect(mpdOf(ended)).toBe(mpdOf(viewOf(2)));
  });

  test('E-1: the $Number$ form is, byte for byte', () => {
    expect(mpdOf(viewOf(2), 'number')).toMatchSnapshot();
  });

  test('says the aspect of the samples, which only the encoder’s own may have', () => {
    const renditions = presentationOf().renditions.map((rendition) =>
      rendition.id === '720p'
        ? { ...rendition, sampleAspectRatio: { numerator: 64, denominator: 45 } }
        : rendition,
    );
    const mpd = mpdOf(viewOf(2, { presentation: presentationOf({ renditions }) }));
    expect([...mpd.matchAll(/ sar="([^"]+)"/g)].map(([, sar]) => sar)).toEqual(['64:45', '1:1']);
  });

  test('T-6: an ended session is static, with a duration on its last Period and no update period', () => {
    const mpd = presentationMpd(
      viewOf(3, { state: session.SessionState.ENDED }),
      presentationOf(),
      'timeline',
    );
    expect(mpd.life).toEqual({
      type: 'static',
      mediaPresentationDuration: { value: (FIRST_K + 3) * 2_000_000, timescale: 1_000_000 },
    });
    expect(mpd.periods.at(-1)?.duration).toEqual({ value: 6_000_000, timescale: 1_000_000 });
    expect(marshalMpd(mpd)).not.toMatch(/minimumUpdatePeriod|timeShiftBufferDepth/);
  });

  test('a rung without media opens a Period without it, and its return another (issue: set of renditions without GAP)', () => {
    const view = viewOfRows(
      rowsOf(FIRST_K, 2),
      rowsOf(FIRST_K + 2, 2, { gaps: ['720p'] }),
      rowsOf(FIRST_K + 4, 2),
    );
    const { periods } = presentationMpd(view, presentationOf(), 'timeline');
    expect(periods.map(({ id }) => id)).toEqual(['p0', `p0-${FIRST_K + 2}`, `p0-${FIRST_K + 4}`]);
    expect(
      periods.map(({ adaptationSets }) => adaptationSets[0]?.representations.map(({ id }) => id)),
    ).toEqual([['720p', '360p'], ['360p'], ['720p', '360p']]);
    // They follow each other without a gap, so none needs a duration.
    expect(periods.map(({ duration }) => duration)).toEqual([undefined, undefined, undefined]);
  });

  test('a last segment in which only one track has media is no Period, whatever follows', () => {
    const whole = viewOfRows(rowsOf(FIRST_K, 2));
    const rows = rowsOf(FIRST_K + 2, 1, { gaps: ['audio'], lastSeconds: { video: 1 / 30, audio: 0 } });
    const cut = viewOfRows(rowsOf(FIRST_K, 2), rows);
    expect(presentationMpd(cut, presentationOf(), 'timeline').periods).toEqual(
      presentationMpd(whole, presentationOf(), 'timeline').periods,
    );
    const ended = withRecord(cut, recordOf({ state: session.SessionState.ENDED, revision: 2 }));
    expect(presentationMpd(ended, presentationOf(), 'timeline')).toMatchObject({
      life: { mediaPresentationDuration: { value: (FIRST_K + 2) * 2_000_000 } },
      periods: [{ id: 'p0', duration: { value: 4_000_000 } }],
    });
    // The same rows begin a Period once more of them follow.
    const more = viewOfRows(rowsOf(FIRST_K, 2), rows, rowsOf(FIRST_K + 3, 1, { gaps: ['audio'] }));
    expect(presentationMpd(more, presentationOf(), 'timeline').periods.map(({ id }) => id)).toEqual([
      'p0',
      `p0-${FIRST_K + 2}`,
    ]);
  });

  test('numbers in which nothing has media are between two Periods, the first of which has a duration', () => {
    const view = viewOfRows(
      rowsOf(FIRST_K, 2),
      rowsOf(FIRST_K + 2, 1, { gaps: ['720p', '360p', 'audio'] }),
      rowsOf(FIRST_K + 3, 2),
    );
    const { periods } = presentationMpd(view, presentationOf(), 'number');
    expect(periods.map(({ id, duration }) => [id, duration?.value])).toEqual([
      ['p0', 4_000_000],
      [`p0-${FIRST_K + 3}`, undefined],
    ]);
  });

  test.each([
    { longest: 'video', lastSeconds: { video: 0.7, audio: 0.64 }, seconds: 4.7 },
    // The first audio frame of the third segment begins 10.667 ms after the grid point.
    { longest: 'audio', lastSeconds: { video: 0.7, audio: 0.768 }, seconds: 4.778667 },
    { longest: 'audio, beyond the grid', lastSeconds: { video: 2, audio: 2.0053 }, seconds: 6 },
  ])(
    'T-4, T-6, T-11: a Period ends where its longest media does ($longest), once another follows or the session is over',
    ({ lastSeconds, seconds }) => {
      const [period] = recordOf().periods;
      if (period === undefined) throw new Error('no period');
      const over = [{ ...period, lastK: FIRST_K + 2 }];
      const cut = withRows(emptyView(recordOf()), rowsOf(FIRST_K, 3, { lastSeconds }));
      const away = withRecord(cut, recordOf({ periods: over, revision: 2 }));
      const opened = { ordinal: 1, firstK: FIRST_K + 3, startTicks: 0, tracks: [], reason: 'reconnect' };
      let back = withRecord(away, recordOf({ periods: [...over, opened], revision: 3 }));
      back = withRows(back, new RunAuthor().author(rowsOf(FIRST_K + 3, 1, { period: 1 })));
      const ended = withRecord(away, recordOf({ ...away.record, state: session.SessionState.ENDED }));
      for (const form of ['timeline', 'number'] as const) {
        const durations = [cut, away, back, ended].map(
          (view) => presentationMpd(view, presentationOf(), form).periods[0]?.duration,
        );
        const end = { value: seconds * 1_000_000, timescale: 1_000_000 };
        expect(durations).toEqual([undefined, undefined, end, end]);
      }
      expect(presentationMpd(ended, presentationOf(), 'timeline').life).toEqual({
        type: 'static',
        mediaPresentationDuration: { value: (FIRST_K * 2 + seconds) * 1_000_000, timescale: 1_000_000 },
      });
    },
  );

  test('a reconnect opens a Period at its own grid point with its own init segment', () => {
    const opened: session.Period = {
      ordinal: 1,
      firstK: FIRST_K + 9,
      startTicks: 0,
      tracks: [],
      reason: 'reconnect',
    };
    const record = recordOf();
    let view = viewOf(3);
    view = withRecord(view, { ...record, periods: [...record.periods, opened], revision: 3 });
    view = withRows(view, new RunAuthor().author(rowsOf(FIRST_K + 9, 1, { period: 1 })));
    const { periods } = presentationMpd(view, presentationOf(), 'timeline');
    expect(periods.map(({ id, start }) => [id, start.value])).toEqual([
      ['p0', FIRST_K * 2],
      ['p1', (FIRST_K + 9) * 2],
    ]);
    const template = periods[1]?.adaptationSets[0]?.representations[0]?.template;
    expect(template).toMatchObject({
      startNumber: FIRST_K + 9,
      presentationTimeOffset: (FIRST_K + 9) * 180_000,
      initialization: `../../media/${record.sessionId}/720p/init-1.mp4`,
    });
  });

  test('C-4: SEG that is not whole in the media timescale is told in its own', () => {
    const seg = { numerator: 1001, denominator: 500 };
    const presentation = presentationOf({ segmentDurationSeconds: seg });
    const audio = presentation.renditions.at(-1);
    if (audio === undefined) throw new Error('no audio');
    const record = recordOf({
      presentation: { ...presentation, renditions: [{ ...audio, timescale: 44_100, sampleRate: 44_100 }] },
    });
    const view = withRows(
      emptyView(record),
      rowsOf(FIRST_K, 1).filter(({ renditionId }) => renditionId === 'audio'),
    );
    const mpd = presentationMpd(view, record.presentation ?? presentation, 'number');
    expect(mpd.periods[0]?.adaptationSets[0]?.representations[0]?.template).toMatchObject({
      timescale: 1000,
      presentationTimeOffset: FIRST_K * 2002,
      addressing: { kind: 'duration', duration: 2002 },
    });
    expect(marshalMpd(mpd)).toContain(`start="PT${(FIRST_K * 2002) / 1000}S"`);
  });

  test('a window that is all gap keeps its last Period, so that an MPD is never empty', () => {
    const view = viewOfRows(rowsOf(FIRST_K, 2), rowsOf(FIRST_K + 2, 38, { gaps: ['720p', '360p', 'audio'] }));
    const { periods } = presentationMpd(view, presentationOf(), 'timeline');
    expect(periods).toHaveLength(1);
    expect(periods[0]?.adaptationSets[0]?.representations[0]?.template).toMatchObject({
      startNumber: FIRST_K + 1,
      addressing: { segments: [{ t: (FIRST_K + 1) * 180_000, d: 180_000 }] },
    });
    expect(view.rows.get('720p')).toHaveLength(7);
  });
});
