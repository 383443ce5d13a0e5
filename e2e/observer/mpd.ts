import { parse, stringToMpdXml } from 'mpd-parser';
import type { MpdPlaylist } from 'mpd-parser';

/** A segment of a SegmentTimeline. */
interface MpdSegment {
  readonly number: number;
  readonly t: number;
  readonly d: number;
}

/** A Representation with its SegmentTemplate. */
export interface MpdRepresentation {
  readonly id: string;
  readonly codecs: string;
  readonly bandwidth: number;
  readonly width: number | undefined;
  readonly height: number | undefined;
  readonly timescale: number;
  readonly presentationTimeOffset: number;
  readonly startNumber: number;
  readonly media: string;
  readonly initialization: string;
  /** `@duration`, of `$Number$` addressing. */
  readonly duration: number | undefined;
  readonly timeline: readonly MpdSegment[] | undefined;
  /** An `S` with `@n`, or other things that T-4 forbids. */
  readonly hasForbiddenTimeline: boolean;
}

/** An AdaptationSet. */
interface MpdAdaptationSet {
  readonly id: string;
  readonly contentType: string;
  readonly lang: string;
  readonly representations: readonly MpdRepresentation[];
}

/** A Period; times in seconds. */
export interface MpdPeriod {
  readonly id: string;
  readonly start: number | undefined;
  readonly duration: number | undefined;
  readonly sets: readonly MpdAdaptationSet[];
}

/** One revision of an MPD; times in seconds or, with `Ms`, in milliseconds since 1970. */
export interface Mpd {
  readonly url: string;
  readonly text: string;
  readonly receivedMs: number;
  readonly id: string;
  readonly type: string;
  readonly profiles: string;
  readonly availabilityStartMs: number | undefined;
  readonly publishMs: number | undefined;
  readonly minimumUpdateSeconds: number | undefined;
  readonly minBufferSeconds: number | undefined;
  readonly timeShiftBufferSeconds: number | undefined;
  readonly suggestedDelaySeconds: number | undefined;
  readonly maxSegmentSeconds: number | undefined;
  readonly durationSeconds: number | undefined;
  readonly utcTimings: readonly { readonly scheme: string; readonly value: string }[];
  readonly hasLeapSeconds: boolean;
  readonly periods: readonly MpdPeriod[];
}

/** Reads an MPD through mpd-parser's XML reader. Throws when it is no MPD. */
export function readMpd(url: string, text: string, receivedMs: number): Mpd {
  assertWellFormed(text);
  const root = stringToMpdXml(text);
  const base = children(root, 'BaseURL')[0]?.textContent ?? '';
  const baseUrl = new URL(base.trim(), url).href;
  return {
    url,
    text,
    receivedMs,
    id: root.getAttribute('id') ?? '',
    type: root.getAttribute('type') ?? 'static',
    profiles: root.getAttribute('profiles') ?? '',
    availabilityStartMs: dateAttribute(root, 'availabilityStartTime'),
    publishMs: dateAttribute(root, 'publishTime'),
    minimumUpdateSeconds: durationAttribute(root, 'minimumUpdatePeriod'),
    minBufferSeconds: durationAttribute(root, 'minBufferTime'),
    timeShiftBufferSeconds: durationAttribute(root, 'timeShiftBufferDepth'),
    suggestedDelaySeconds: durationAttribute(root, 'suggestedPresentationDelay'),
    maxSegmentSeconds: durationAttribute(root, 'maxSegmentDuration'),
    durationSeconds: durationAttribute(root, 'mediaPresentationDuration'),
    utcTimings: children(root, 'UTCTiming').map((element) => ({
      scheme: element.getAttribute('schemeIdUri') ?? '',
      value: element.getAttribute('value') ?? '',
    })),
    hasLeapSeconds: children(root, 'LeapSecondInformation').length > 0,
    periods: withDurations(children(root, 'Period').map((period) => readPeriod(period, baseUrl))),
  };
}

const TAG = /<(?<close>\/?)(?<name>[\w:]+)(?:\s+[\w:]+="[^"<]*")*\s*(?<empty>\/?)>/g;

/** xmldom repairs what is not XML, and complains to the console only. */
function assertWellFormed(text: string): void {
  const open: string[] = [];
  const rest = text.replace(/^<\?xml[^>]*\?>/, '').replaceAll(TAG, (...match) => {
    const { close, name, empty } = match.at(-1) as { close: string; name: string; empty: string };
    if (close !== '' && open.pop() !== name) throw new Error(`</${name}> closes nothing`);
    if (close === '' && empty === '') open.push(name);
    return '';
  });
  if (open.length > 0) throw new Error(`<${open.join('>, <')}> is not closed`);
  if (rest.includes('<')) throw new Error(`it is no XML near ${rest.slice(rest.indexOf('<'), 80)}`);
}

/** The segment URLs that a player finds in the MPD, by mpd-parser's own reading. */
export function playerSegmentUrls(mpd: Mpd): ReadonlySet<string> {
  const manifest = parse(mpd.text, { manifestUri: mpd.url, NOW: mpd.receivedMs });
  const audio = Object.values(manifest.mediaGroups?.AUDIO ?? {}).flatMap((group) =>
    Object.values(group).flatMap(({ playlists }) => playlists),
  );
  const playlists: readonly MpdPlaylist[] = [...(manifest.playlists ?? []), ...audio];
  return new Set(playlists.flatMap(({ segments }) => (segments ?? []).map(({ resolvedUri }) => resolvedUri)));
}

/** The URL of a segment of a Representation. */
export function segmentUrl(
  representation: MpdRepresentation,
  segment: { number: number; t: number },
): string {
  return representation.media
    .replaceAll('$Number$', String(segment.number))
    .replaceAll('$Time$', String(segment.t))
    .replaceAll('$RepresentationID$', representation.id);
}

/** A Period without a duration ends where the next one begins. */
function withDurations(periods: readonly MpdPeriod[]): readonly MpdPeriod[] {
  return periods.map((period, index) => {
    const nextStart = periods[index + 1]?.start;
    const duration =
      period.duration ??
      (nextStart === undefined || period.start === undefined ? undefined : nextStart - period.start);
    return { ...period, duration };
  });
}

function readPeriod(period: Element, baseUrl: string): MpdPeriod {
  return {
    id: period.getAttribute('id') ?? '',
    start: durationAttribute(period, 'start'),
    duration: durationAttribute(period, 'duration'),
    sets: children(period, 'AdaptationSet').map((set) => ({
      id: set.getAttribute('id') ?? '',
      contentType: set.getAttribute('contentType') ?? '',
      lang: set.getAttribute('lang') ?? '',
      representations: children(set, 'Representation').map((element) =>
        readRepresentation(element, set, period, baseUrl),
      ),
    })),
  };
}

function readRepresentation(
  element: Element,
  set: Element,
  period: Element,
  baseUrl: string,
): MpdRepresentation {
  const templates = [element, set, period].flatMap((owner) => children(owner, 'SegmentTemplate'));
  const attribute = (name: string): string | undefined =>
    templates
      .map((template) => template.getAttribute(name))
      .find((value) => value !== null && value !== '') ?? undefined;
  const startNumber = Number(attribute('startNumber') ?? 1);
  const timeline = templates.flatMap((template) => children(template, 'SegmentTimeline'))[0];
  const duration = attribute('duration');
  const resolve = (template: string): string => new URL(template, baseUrl).href;
  const id = element.getAttribute('id') ?? '';
  return {
    id,
    codecs: element.getAttribute('codecs') ?? '',
    bandwidth: Number(element.getAttribute('bandwidth') ?? Number.NaN),
    width: numberAttribute(element, 'width'),
    height: numberAttribute(element, 'height'),
    timescale: Number(attribute('timescale') ?? 1),
    presentationTimeOffset: Number(attribute('presentationTimeOffset') ?? 0),
    startNumber,
    media: resolve(attribute('media') ?? ''),
    initialization: resolve((attribute('initialization') ?? '').replaceAll('$RepresentationID$', id)),
    duration: duration === undefined ? undefined : Number(duration),
    timeline: timeline === undefined ? undefined : readTimeline(timeline, startNumber),
    hasForbiddenTimeline:
      timeline !== undefined && children(timeline, 'S').some((element) => element.getAttribute('n')),
  };
}

function readTimeline(timeline: Element, startNumber: number): readonly MpdSegment[] {
  const segments: MpdSegment[] = [];
  let next = 0;
  for (const element of children(timeline, 'S')) {
    const t = numberAttribute(element, 't') ?? next;
    const d = numberAttribute(element, 'd') ?? Number.NaN;
    const repeats = numberAttribute(element, 'r') ?? 0;
    for (let repeat = 0; repeat <= Math.min(repeats, 10_000); repeat += 1) {
      segments.push({ number: startNumber + segments.length, t: t + repeat * d, d });
    }
    next = t + (repeats + 1) * d;
  }
  return segments;
}

function children(element: Element, name: string): readonly Element[] {
  const found: Element[] = [];
  // xmldom has no `children`.
  for (let node = element.firstChild; node !== null; node = node.nextSibling) {
    if (node.nodeName === name) found.push(node as Element);
  }
  return found;
}

function numberAttribute(element: Element, name: string): number | undefined {
  const value = element.getAttribute(name);
  return value === null || value === '' ? undefined : Number(value);
}

function dateAttribute(element: Element, name: string): number | undefined {
  const value = element.getAttribute(name);
  return value === null || value === '' ? undefined : Date.parse(value);
}

const DURATION = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/;

function durationAttribute(element: Element, name: string): number | undefined {
  const value = element.getAttribute(name);
  if (value === null || value === '') return undefined;
  const match = DURATION.exec(value);
  if (match === null) return Number.NaN;
  const [, days = '0', hours = '0', minutes = '0', seconds = '0'] = match;
  return Number(days) * 86_400 + Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
}
