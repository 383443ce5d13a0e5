import type { FixtureRendition, FixtureSegment } from './fixture-media.ts';

/** A segment as it stands in a playlist. */
export interface FixtureRow {
  readonly segment: FixtureSegment;
  readonly period: number;
  readonly msn: number;
}

const WINDOW = 6;

/** All rows of a rendition, oldest first. */
export function rowsOf(rendition: FixtureRendition): readonly FixtureRow[] {
  const first = rendition.periods[0]?.segments[0]?.k ?? 0;
  return rendition.periods
    .flatMap(({ segments }, period) => segments.map((segment) => ({ segment, period })))
    .map((row, index) => ({ ...row, msn: first + index }));
}

/** The rows in the window at a time: those whose second is over. */
function windowAt(rendition: FixtureRendition, nowMs: number): readonly FixtureRow[] {
  return rowsOf(rendition)
    .filter(({ segment }) => (segment.k + 1) * 1000 <= nowMs)
    .slice(-WINDOW);
}

/** Whether everything was said. */
function isOver(rendition: FixtureRendition, nowMs: number): boolean {
  const last = rowsOf(rendition).at(-1)?.segment.k ?? 0;
  return nowMs >= (last + 1) * 1000 + 400;
}

/** A media playlist, correct in every point. */
export function mediaPlaylist(rendition: FixtureRendition, isTs: boolean, nowMs: number): string {
  const rows = windowAt(rendition, nowMs);
  const first = rows[0];
  const discontinuitySequence =
    first !== undefined && first.period > 0 && !isFirstOfPeriod(rendition, first) ? 1 : 0;
  const lines = [
    '#EXTM3U',
    `#EXT-X-VERSION:${isTs ? 3 : 6}`,
    '#EXT-X-TARGETDURATION:1',
    `#EXT-X-MEDIA-SEQUENCE:${first?.msn ?? 0}`,
    `#EXT-X-DISCONTINUITY-SEQUENCE:${discontinuitySequence}`,
  ];
  let mapped: number | undefined;
  for (const row of rows) {
    const { segment, period } = row;
    if (period > 0 && isFirstOfPeriod(rendition, row)) lines.push('#EXT-X-DISCONTINUITY');
    if (!isTs && mapped !== period) lines.push(`#EXT-X-MAP:URI="init-${period}.mp4"`);
    mapped = period;
    const date = new Date((segment.t / rendition.timescale) * 1000).toISOString();
    lines.push(`#EXT-X-PROGRAM-DATE-TIME:${date}`);
    lines.push(
      `#EXTINF:${(segment.d / rendition.timescale).toFixed(6)},`,
      `${segment.k}.${isTs ? 'ts' : 'm4s'}`,
    );
  }
  if (isOver(rendition, nowMs)) lines.push('#EXT-X-ENDLIST');
  return `${lines.join('\n')}\n`;
}

function isFirstOfPeriod({ periods }: FixtureRendition, { segment, period }: FixtureRow): boolean {
  return periods[period]?.segments[0] === segment;
}

/** A multivariant playlist, correct in every point. */
export function multivariantPlaylist(renditions: readonly FixtureRendition[], isTs: boolean): string {
  const audio = renditions.find(({ kind }) => kind === 'audio');
  const lines = ['#EXTM3U', '#EXT-X-INDEPENDENT-SEGMENTS'];
  if (!isTs) {
    lines.push(
      '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="Audio",LANGUAGE="und",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="1",URI="media/audio/index.m3u8"',
    );
  }
  for (const rendition of renditions.filter(({ kind }) => kind === 'video')) {
    const peak = peakBps(rendition, isTs) + (isTs ? 0 : peakBps(audio, false));
    lines.push(
      `#EXT-X-STREAM-INF:BANDWIDTH=${peak},AVERAGE-BANDWIDTH=${peak},CODECS="${rendition.codec},mp4a.40.2",` +
        `RESOLUTION=${rendition.width}x${rendition.height},FRAME-RATE=10.000,CLOSED-CAPTIONS=NONE${isTs ? '' : ',AUDIO="a"'}`,
      `media/${rendition.id}/${isTs ? 'ts' : 'index'}.m3u8`,
    );
  }
  return `${lines.join('\n')}\n`;
}

function peakBps(rendition: FixtureRendition | undefined, isTs: boolean): number {
  if (rendition === undefined) return 0;
  const bits = rowsOf(rendition).map(({ segment }) => (isTs ? segment.ts : segment.bytes).length * 8);
  return Math.ceil(Math.max(...bits) * 1.05);
}

/** An MPD, correct in every point. */
export function mpd(
  renditions: readonly FixtureRendition[],
  form: 'timeline' | 'number',
  nowMs: number,
): string {
  const isStatic = renditions.every((rendition) => isOver(rendition, nowMs));
  const reference = renditions[0];
  const rows = reference === undefined ? [] : windowAt(reference, nowMs);
  const lastK = rows.at(-1)?.segment.k ?? 0;
  const periods = [...new Set(rows.map(({ period }) => period))];
  const attributes = [
    'xmlns="urn:mpeg:dash:schema:mpd:2011" id="fixture" profiles="urn:mpeg:dash:profile:isoff-live:2011"',
    `type="${isStatic ? 'static' : 'dynamic'}" availabilityStartTime="1970-01-01T00:00:00Z"`,
    `publishTime="${new Date((lastK + 1) * 1000 + (isStatic ? 1 : 0)).toISOString()}"`,
    isStatic
      ? `mediaPresentationDuration="PT${lastK + 1}S"`
      : 'minimumUpdatePeriod="PT1S" timeShiftBufferDepth="PT6S" suggestedPresentationDelay="PT3S"',
    'minBufferTime="PT1S" maxSegmentDuration="PT1.1S"',
  ];
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<MPD ${attributes.join(' ')}>`,
    ...periods.map((period) => periodXml(renditions, period, form, nowMs)),
    '<UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-iso:2014" value="time"/>',
    '<LeapSecondInformation availabilityStartLeapOffset="37"/>',
    '</MPD>',
  ].join('\n');
}

function periodXml(
  renditions: readonly FixtureRendition[],
  period: number,
  form: 'timeline' | 'number',
  nowMs: number,
): string {
  const segments = renditions[0]?.periods[period]?.segments ?? [];
  const start = segments[0]?.k ?? 0;
  const isDone = nowMs >= (start + segments.length) * 1000;
  const sets = (['video', 'audio'] as const).map((kind, index) => {
    const own = renditions.filter((rendition) => rendition.kind === kind);
    return [
      `<AdaptationSet id="${index}" contentType="${kind}" mimeType="${kind}/mp4" segmentAlignment="true" lang="und">`,
      ...own.map((rendition) => representationXml(rendition, period, form, nowMs)),
      '</AdaptationSet>',
    ].join('\n');
  });
  const duration = isDone ? ` duration="PT${segments.length}S"` : '';
  return `<Period id="p${period}" start="PT${start}S"${duration}>\n${sets.join('\n')}\n</Period>`;
}

function representationXml(
  rendition: FixtureRendition,
  period: number,
  form: 'timeline' | 'number',
  nowMs: number,
): string {
  const { id, timescale, codec, width, height } = rendition;
  const rows = windowAt(rendition, nowMs).filter((row) => row.period === period);
  const start = rendition.periods[period]?.segments[0]?.k ?? 0;
  const isTimeline = form === 'timeline';
  const addressing = isTimeline
    ? `startNumber="${rows[0]?.segment.k ?? start}"`
    : `startNumber="${start}" duration="${timescale}"`;
  const timeline = rows.map(({ segment }) => `<S t="${segment.t}" d="${segment.d}"/>`).join('');
  const picture = width > 0 ? ` width="${width}" height="${height}"` : '';
  return [
    `<Representation id="${id}" codecs="${codec}" bandwidth="100000"${picture}>`,
    `<SegmentTemplate timescale="${timescale}" presentationTimeOffset="${start * timescale}" ${addressing}`,
    ` media="media/${id}/$Number$.m4s" initialization="media/${id}/init-${period}.mp4">`,
    isTimeline ? `<SegmentTimeline>${timeline}</SegmentTimeline>` : '',
    '</SegmentTemplate></Representation>',
  ].join('');
}
