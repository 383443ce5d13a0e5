import { session } from '@millrace/contracts';
import { segmentStartTicks } from '@millrace/media';
import type {
  MpdAdaptationSet,
  MpdInput,
  MpdPeriod,
  MpdRepresentation,
  MpdSegmentTemplate,
  Ticks,
} from '@millrace/media';
import { lastListedK, listedSpans } from './session-view.ts';
import type { SessionView, Span } from './session-view.ts';

/** `timeline`: SegmentTimeline, exact times. `number`: `$Number$` with one nominal duration (C-4). */
export type MpdForm = 'timeline' | 'number';

/** Where the UTC time is served, relative to `/play/<channel>/`. */
const TIME_URL = '../../time';
const VIDEO_SET_ID = 0;
const AUDIO_SET_ID = 1;
const DELAY_SEGMENTS = 3;
const MICROSECONDS = 1_000_000;
/** What the grid functions take. */
const MIN_TIMESCALE = 1000;
const MAX_TIMESCALE = 192_000;

/**
 * Makes the MPD of a playable session from its record and its rows; every replica that knows the same makes the same.
 *
 * MPD time zero is 1970 (E-1): Period@start is the grid point of its first K, and equals presentationTimeOffset, so media
 * times need no shift. A segment is listed when every rendition has its row. A K in which nothing has media separates
 * two Periods.
 */
export function presentationMpd(
  view: SessionView,
  presentation: session.Presentation,
  form: MpdForm,
): MpdInput {
  const { record } = view;
  const seg = segOf(presentation);
  const isOver = record.state === session.SessionState.ENDED;
  const listed = listedSpans(view);
  const last = listed.at(-1);
  return {
    id: record.sessionId,
    life: isOver
      ? {
          type: 'static',
          mediaPresentationDuration: inMicroseconds(
            last === undefined ? 0 : mediaEndUs(view, presentation, last),
          ),
        }
      : {
          type: 'dynamic',
          minimumUpdatePeriod: seg,
          timeShiftBufferDepth: times(seg, presentation.windowSegments),
          suggestedPresentationDelay: times(seg, DELAY_SEGMENTS),
        },
    availabilityStartMs: presentation.availabilityStartMs,
    publishTimeMs: publishTimeMs(view, presentation),
    minBufferTime: seg,
    maxSegmentDuration: maxSegmentDuration(presentation, seg),
    utcTimingUrl: TIME_URL,
    periods: listed.map((span, index) => {
      const start = gridPoint(span.firstK, seg);
      return {
        id: periodId(view, span),
        start,
        ...(hasEnd(view, span, listed[index + 1])
          ? { duration: inMicroseconds(mediaEndUs(view, presentation, span) - microsecondsOf(start)) }
          : {}),
        adaptationSets: adaptationSets(view, presentation, span, form),
      } satisfies MpdPeriod;
    }),
  };
}

/**
 * True when a Period says itself where it ends: another follows, not at its end on the same timeline, or the session is over.
 *
 * The last Period of a session that may go on never does: dash.js takes that for the end of the presentation, ends the
 * playback, and does not begin again when the next Period comes. By number a player therefore asks for what was not made,
 * until the encoder is back.
 */
function hasEnd(view: SessionView, span: Span, next: Span | undefined): boolean {
  if (next !== undefined) return next.firstK !== span.lastK + 1 || next.period !== span.period;
  return view.record.state === session.SessionState.ENDED;
}

/**
 * Where the media of a Period ends, in microseconds on the MPD's timeline: with its longest rendition, and no later than the
 * last segment does on the grid, since by number a player would take what sticks out for one more segment (C-4).
 *
 * An encoder that goes away leaves its last segment short. A function of complete rows, which never change: no revision
 * gives a Period another end (T-2).
 */
function mediaEndUs(view: SessionView, presentation: session.Presentation, span: Span): number {
  const gridEndUs = microsecondsOf(gridPoint(span.lastK + 1, segOf(presentation)));
  const endsUs = presentation.renditions.flatMap(({ id, timescale }) => {
    if (!span.renditionIds.includes(id)) return [];
    const row = view.rows.get(id)?.findLast(({ k }) => k === span.lastK);
    if (row === undefined) return [];
    return [microsecondsOf({ value: row.baseMediaDecodeTime + row.durationTicks, timescale })];
  });
  return Math.min(gridEndUs, endsUs.length === 0 ? gridEndUs : Math.max(...endsUs));
}

/** The first span of a session period is named after it alone, so that its id does not depend on gap rows. */
function periodId(view: SessionView, span: Span): string {
  const firstK = view.record.periods.find(({ ordinal }) => ordinal === span.period)?.firstK;
  return span.firstK === firstK ? `p${span.period}` : `p${span.period}-${span.firstK}`;
}

function adaptationSets(
  view: SessionView,
  presentation: session.Presentation,
  span: Span,
  form: MpdForm,
): MpdAdaptationSet[] {
  const listed = presentation.renditions.filter(({ id }) => span.renditionIds.includes(id));
  const representations = (kind: session.TrackKind): MpdRepresentation[] =>
    listed
      .filter((rendition) => rendition.kind === kind)
      .map((rendition) => representation(view, presentation, span, rendition, form));
  const sets: MpdAdaptationSet[] = [
    { id: VIDEO_SET_ID, contentType: 'video', representations: representations(session.TrackKind.VIDEO) },
    {
      id: AUDIO_SET_ID,
      contentType: 'audio',
      lang: 'und',
      representations: representations(session.TrackKind.AUDIO),
    },
  ];
  return sets.filter((set) => set.representations.length > 0);
}

function representation(
  view: SessionView,
  presentation: session.Presentation,
  span: Span,
  rendition: session.Rendition,
  form: MpdForm,
): MpdRepresentation {
  const { frameRate, sampleAspectRatio: sar } = rendition;
  return {
    id: rendition.id,
    codecs: rendition.codec,
    bandwidth: rendition.bandwidthBps,
    ...(rendition.kind === session.TrackKind.AUDIO
      ? { audio: { sampleRate: rendition.sampleRate, channelCount: rendition.channelCount } }
      : {
          video: {
            width: rendition.width,
            height: rendition.height,
            sar: sar === undefined ? '1:1' : `${sar.numerator}:${sar.denominator}`,
            ...(frameRate === undefined ? {} : { frameRate: marshalFrameRate(frameRate) }),
          },
        }),
    template: template(view, presentation, span, rendition, form),
  };
}

function template(
  view: SessionView,
  presentation: session.Presentation,
  span: Span,
  rendition: session.Rendition,
  form: MpdForm,
): MpdSegmentTemplate {
  const seg = segOf(presentation);
  const base = `../../media/${view.record.sessionId}/${rendition.id}`;
  const urls = { media: `${base}/$Number$.m4s`, initialization: `${base}/init-${span.period}.mp4` };
  const grid = (k: number, timescale: number): number => segmentStartTicks(k, timescale, rationalOf(seg));
  if (form === 'number') {
    const timescale = numberTimescale(rendition.timescale, seg);
    return {
      ...urls,
      timescale,
      startNumber: span.firstK,
      presentationTimeOffset: grid(span.firstK, timescale),
      addressing: { kind: 'duration', duration: grid(1, timescale) },
    };
  }
  const rows = (view.rows.get(rendition.id) ?? []).filter(
    (row) => row.k >= span.firstK && row.k <= span.lastK,
  );
  return {
    ...urls,
    timescale: rendition.timescale,
    startNumber: rows[0]?.k ?? span.firstK,
    presentationTimeOffset: grid(span.firstK, rendition.timescale),
    addressing: {
      kind: 'timeline',
      segments: rows.map((row) => ({ t: row.baseMediaDecodeTime, d: row.durationTicks })),
    },
  };
}

/**
 * When the end of the last listed K was captured, and a millisecond later once the session is over, which adds no segment. It grows
 * with every change and with nothing else: replicas hear of rows together, and of the record each in its time. It is never in the
 * future, and reads no clock.
 */
function publishTimeMs(view: SessionView, presentation: session.Presentation): number {
  const { numerator, denominator } = presentation.segmentDurationSeconds ?? { numerator: 1, denominator: 1 };
  const lastK = lastListedK(view) ?? 0;
  const endMs = ((lastK + 1) * numerator * 1000) / denominator;
  const rows = view.rows.get(presentation.renditions[0]?.id ?? '') ?? [];
  const utcOffsetUs = rows.findLast(({ k }) => k === lastK)?.utcOffsetUs ?? 0;
  const isOver = view.record.state === session.SessionState.ENDED;
  return Math.floor(endMs + utcOffsetUs / 1000) + (isOver ? 1 : 0);
}

/** SEG, and what a segment may be longer: an audio frame, or half of SEG where frames come as they like (T-1). */
function maxSegmentDuration(presentation: session.Presentation, seg: Ticks): Ticks {
  const isVariable =
    presentation.isVariableFrameRate || presentation.renditions.some(({ isPassthrough }) => isPassthrough);
  const segMs = (seg.value * 1000) / seg.timescale;
  const AUDIO_FRAME_MS = 100;
  return { value: Math.ceil(segMs + (isVariable ? segMs / 2 : AUDIO_FRAME_MS)), timescale: 1000 };
}

function marshalFrameRate({ numerator, denominator }: session.Rational): string {
  return denominator === 1 ? String(numerator) : `${numerator}/${denominator}`;
}

function segOf({ segmentDurationSeconds: seg }: session.Presentation): Ticks {
  return { value: seg?.numerator ?? 1, timescale: seg?.denominator ?? 1 };
}

function times({ value, timescale }: Ticks, factor: number): Ticks {
  return { value: value * factor, timescale };
}

/** The grid point of K: K × SEG. */
function gridPoint(k: number, seg: Ticks): Ticks {
  return times(seg, k);
}

/** In whole microseconds, as MPDs are written, rounded up: a Period that ends before its last frame does would lose it. */
function microsecondsOf({ value, timescale }: Ticks): number {
  const seconds = Math.floor(value / timescale);
  return seconds * MICROSECONDS + Math.ceil(((value - seconds * timescale) * MICROSECONDS) / timescale);
}

function inMicroseconds(value: number): Ticks {
  return { value, timescale: MICROSECONDS };
}

function rationalOf({ value, timescale }: Ticks): session.Rational {
  return { numerator: value, denominator: timescale };
}

/** SEG has to be whole in ticks; where the media's timescale cannot say it, a multiple of SEG's denominator can. */
function numberTimescale(mediaTimescale: number, seg: Ticks): number {
  if ((seg.value * mediaTimescale) % seg.timescale === 0) return mediaTimescale;
  const multiple = seg.timescale * Math.ceil(MIN_TIMESCALE / seg.timescale);
  return multiple <= MAX_TIMESCALE ? multiple : mediaTimescale;
}
