import type { Mpd, MpdPeriod, MpdRepresentation } from './mpd.ts';
import type { Report } from './report.ts';

/** The longest frame that may stick out of a Period. */
const MAX_FRAME_SECONDS = 0.1;
/** Rounding of ISO durations. */
const EPSILON_SECONDS = 0.002;

/** Holds one revision of an MPD to the rules that need nothing else (T-1, T-2, T-4, T-6). */
export function checkMpd(mpd: Mpd, where: string, report: Report): void {
  report.expect(mpd.id !== '', 'T-2', where, 'MPD@id is missing');
  report.expect(mpd.minBufferSeconds !== undefined, 'T-1', where, '@minBufferTime is missing');
  report.expect(mpd.maxSegmentSeconds !== undefined, 'T-1', where, '@maxSegmentDuration is missing');
  report.expect(mpd.periods.length > 0, 'T-1', where, 'there is no Period');
  if (mpd.type === 'dynamic') checkDynamic(mpd, where, report);
  else checkStatic(mpd, where, report);
  for (const [index, period] of mpd.periods.entries()) {
    checkPeriod(period, where, report);
    const next = mpd.periods[index + 1];
    if (next?.start === undefined || period.start === undefined) continue;
    const end = endOf(period);
    report.expect(
      next.start > period.start && (end === undefined || next.start >= end - EPSILON_SECONDS),
      'T-4',
      where,
      `Period ${next.id} begins at ${next.start} s, ${period.id} ends at ${String(end)} s`,
    );
  }
}

function checkDynamic(mpd: Mpd, where: string, report: Report): void {
  for (const name of [
    'availabilityStartMs',
    'publishMs',
    'timeShiftBufferSeconds',
    'minimumUpdateSeconds',
  ] as const) {
    const value = mpd[name];
    report.expect(value !== undefined && !Number.isNaN(value), 'T-1', where, `${name} is ${String(value)}`);
  }
  report.expect(mpd.utcTimings.length > 0, 'T-1', where, 'there is no UTCTiming');
  report.expect(mpd.hasLeapSeconds, 'T-1', where, 'there is no LeapSecondInformation');
  report.expect(
    (mpd.suggestedDelaySeconds ?? 0) < (mpd.timeShiftBufferSeconds ?? 0),
    'T-5',
    where,
    '@suggestedPresentationDelay is not below @timeShiftBufferDepth',
  );
  report.expect(
    !mpd.text.includes('availabilityTimeComplete') && !mpd.text.includes('availabilityTimeOffset'),
    'T-5',
    where,
    'availability attributes in an MPD without low latency',
  );
}

function checkStatic(mpd: Mpd, where: string, report: Report): void {
  const last = mpd.periods.at(-1);
  report.expect(
    mpd.durationSeconds !== undefined || last?.duration !== undefined,
    'T-6',
    where,
    'a static MPD without a duration',
  );
  report.expect(
    mpd.minimumUpdateSeconds === undefined,
    'T-6',
    where,
    'a static MPD with @minimumUpdatePeriod',
  );
}

function checkPeriod(period: MpdPeriod, where: string, report: Report): void {
  const place = `${where} ${period.id}`;
  report.expect(period.id !== '' && period.start !== undefined, 'T-2', place, 'Period without @id or @start');
  report.expect(period.sets.length > 0, 'T-4', place, 'a Period without an AdaptationSet');
  report.expect(
    period.duration === undefined || period.duration > 0,
    'T-4',
    place,
    'a Period of zero length',
  );
  for (const set of period.sets) {
    report.expect(set.id !== '', 'T-2', place, 'AdaptationSet without @id');
    const modes = new Set(set.representations.map(({ timeline }) => timeline === undefined));
    report.expect(modes.size === 1, 'T-4', place, `set ${set.id} mixes ways to address, or is empty`);
    const timelines = new Set(
      set.representations.map(({ timeline, timescale }) =>
        JSON.stringify(timeline?.map(({ number, t, d }) => [number, t / timescale, d / timescale])),
      ),
    );
    report.expect(timelines.size <= 1, 'C-2', place, `the boundaries in set ${set.id} differ`);
    for (const representation of set.representations) {
      checkRepresentation(representation, place, report);
      checkExtent(representation, period, place, report);
    }
  }
}

function checkRepresentation(representation: MpdRepresentation, place: string, report: Report): void {
  const where = `${place} ${representation.id}`;
  const { timeline } = representation;
  report.expect(
    representation.id !== '' && representation.codecs !== '' && representation.bandwidth > 0,
    'T-1',
    where,
    '@id, @codecs or @bandwidth is missing',
  );
  report.expect(!representation.hasForbiddenTimeline, 'T-4', where, 'S@n');
  report.expect(
    (timeline !== undefined) !== (representation.duration !== undefined),
    'T-4',
    where,
    'it has both a SegmentTimeline and @duration, or neither',
  );
  if (timeline === undefined) return;
  report.expect(timeline.length > 0, 'T-4', where, 'an empty SegmentTimeline');
  for (const [index, { t, d, number }] of timeline.entries()) {
    report.expect(d > 0, 'T-4', where, `segment ${number} has the duration ${d}`);
    const next = timeline[index + 1];
    report.expect(
      next === undefined || next.t === t + d,
      'T-4',
      where,
      `segment ${number} ends at ${t + d}, the next begins at ${String(next?.t)}`,
    );
  }
}

/** No overlaps: what a Period lists ends with it, but for a frame. */
function checkExtent(
  { id, timeline, timescale, presentationTimeOffset }: MpdRepresentation,
  { duration }: MpdPeriod,
  place: string,
  report: Report,
): void {
  const last = timeline?.at(-1);
  if (last === undefined || duration === undefined) return;
  const end = (last.t + last.d - presentationTimeOffset) / timescale;
  report.expect(
    end <= duration + MAX_FRAME_SECONDS,
    'T-4',
    `${place} ${id}`,
    `the timeline ends at ${end} s, the Period at ${duration} s`,
  );
}

/** Where a Period ends, when that is known. */
function endOf(period: MpdPeriod): number | undefined {
  const start = period.start ?? 0;
  return period.duration === undefined ? undefined : start + period.duration;
}

/** Holds two successive revisions to what may change (T-1, T-2, T-4, T-6). */
export function checkMpdUpdate(before: Mpd, after: Mpd, where: string, report: Report): void {
  const same = (name: 'id' | 'availabilityStartMs' | 'profiles'): void => {
    report.expect(
      before[name] === after[name],
      'T-2',
      where,
      `${name} went from ${String(before[name])} to ${String(after[name])}`,
    );
  };
  same('id');
  same('availabilityStartMs');
  same('profiles');
  report.expect(
    (after.maxSegmentSeconds ?? 0) <= (before.maxSegmentSeconds ?? 0),
    'T-1',
    where,
    `@maxSegmentDuration grew from ${String(before.maxSegmentSeconds)} to ${String(after.maxSegmentSeconds)}`,
  );
  report.expect(
    (after.publishMs ?? 0) > (before.publishMs ?? 0),
    'T-1',
    where,
    `the MPD changed, and @publishTime went from ${String(before.publishMs)} to ${String(after.publishMs)}`,
  );
  report.expect(!(before.type === 'static'), 'T-6', where, 'the MPD changed after it was static');
  checkPeriods(before, after, where, report);
}

function checkPeriods(before: Mpd, after: Mpd, where: string, report: Report): void {
  const known = new Map(before.periods.map((period, index) => [period.id, { period, index }]));
  let newPeriods = 0;
  let lastIndex = -1;
  for (const period of after.periods) {
    const earlier = known.get(period.id);
    if (earlier === undefined) {
      newPeriods += 1;
      continue;
    }
    report.expect(newPeriods === 0, 'T-4', where, `a new Period stands before ${period.id}`);
    report.expect(earlier.index > lastIndex, 'T-2', where, `Period ${period.id} has moved`);
    lastIndex = earlier.index;
    checkSamePeriod(earlier.period, period, earlier.index === before.periods.length - 1, where, report);
  }
  const last = before.periods.at(-1);
  report.expect(
    last === undefined || newPeriods > 0 || after.periods.some(({ id }) => id === last.id),
    'T-4',
    where,
    `the last Period ${String(last?.id)} is gone`,
  );
}

function checkSamePeriod(
  before: MpdPeriod,
  after: MpdPeriod,
  isLast: boolean,
  where: string,
  report: Report,
): void {
  const place = `${where} ${after.id}`;
  report.expect(
    before.start === after.start,
    'T-2',
    place,
    `@start went from ${String(before.start)} to ${String(after.start)}`,
  );
  report.expect(
    before.duration === undefined || Math.abs(before.duration - (after.duration ?? 0)) < EPSILON_SECONDS,
    'T-2',
    place,
    `@duration went from ${String(before.duration)} to ${String(after.duration)}`,
  );
  const shape = ({ sets }: MpdPeriod): string =>
    JSON.stringify(
      sets.map(({ id, contentType, lang, representations }) => [
        [id, contentType, lang],
        representations.map((representation) => [
          ...[representation.id, representation.codecs, representation.bandwidth],
          ...[representation.timescale, representation.presentationTimeOffset, representation.media],
          ...[representation.initialization, representation.duration],
        ]),
      ]),
    );
  report.expect(shape(before) === shape(after), 'T-2', place, 'what is fixed in a Period changed');
  for (const [index, set] of after.sets.entries()) {
    for (const [position, representation] of set.representations.entries()) {
      const earlier = before.sets[index]?.representations[position];
      if (earlier !== undefined) checkTimelineUpdate(earlier, representation, isLast, place, report);
    }
  }
}

function checkTimelineUpdate(
  before: MpdRepresentation,
  after: MpdRepresentation,
  isLast: boolean,
  place: string,
  report: Report,
): void {
  const where = `${place} ${after.id}`;
  if (before.timeline === undefined || after.timeline === undefined) return;
  const known = new Map(before.timeline.map((segment) => [segment.number, segment]));
  for (const segment of after.timeline) {
    const earlier = known.get(segment.number);
    report.expect(
      earlier === undefined || (earlier.t === segment.t && earlier.d === segment.d),
      'T-4',
      where,
      `segment ${segment.number} went from ${String(earlier?.t)} + ${String(earlier?.d)} to ${segment.t} + ${segment.d}`,
    );
  }
  const firstOf = (timeline: typeof before.timeline): number => timeline?.[0]?.number ?? 0;
  const lastOf = (timeline: typeof before.timeline): number => timeline?.at(-1)?.number ?? 0;
  report.expect(
    firstOf(after.timeline) >= firstOf(before.timeline),
    'T-4',
    where,
    'segments came back at the front',
  );
  report.expect(
    lastOf(after.timeline) >= lastOf(before.timeline),
    'T-4',
    where,
    `the last segment went back from ${lastOf(before.timeline)} to ${lastOf(after.timeline)}`,
  );
  report.expect(
    isLast || lastOf(after.timeline) === lastOf(before.timeline),
    'T-4',
    where,
    'segments were added to a Period that is not the last',
  );
}
