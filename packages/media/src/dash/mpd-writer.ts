import { marshalDateTime, marshalDuration } from './iso8601.ts';
import type {
  MpdAdaptationSet,
  MpdInput,
  MpdPeriod,
  MpdRepresentation,
  MpdSegment,
  MpdSegmentTemplate,
  Ticks,
} from './mpd.ts';
import { element, marshalXml } from './xml.ts';
import type { XmlElement } from './xml.ts';

const NAMESPACE = 'urn:mpeg:dash:schema:mpd:2011';
const PROFILE = 'urn:mpeg:dash:profile:isoff-live:2011';
const UTC_HTTP_ISO = 'urn:mpeg:dash:utc:http-iso:2014';
const AUDIO_CHANNELS = 'urn:mpeg:dash:23003:3:audio_channel_configuration:2011';
const ROLE = 'urn:mpeg:dash:role:2011';
/** TAI - UTC in seconds since 2017. Media time has no leap seconds, as UNIX time has none: nothing is to be corrected. */
const LEAP_OFFSET_SECONDS = 37;

/**
 * Marshals an MPD (ISO/IEC 23009-1, elements and attributes in the schema's order, T-12).
 *
 * Pure: equal input gives equal bytes. The caller keeps the rules that span revisions (T-2, T-4).
 */
export function marshalMpd(mpd: MpdInput): string {
  const { life } = mpd;
  return marshalXml(
    element(
      'MPD',
      {
        xmlns: NAMESPACE,
        id: mpd.id,
        profiles: PROFILE,
        type: life.type,
        availabilityStartTime: marshalDateTime(mpd.availabilityStartMs),
        publishTime: marshalDateTime(mpd.publishTimeMs),
        mediaPresentationDuration:
          life.type === 'static' ? duration(life.mediaPresentationDuration) : undefined,
        minimumUpdatePeriod: life.type === 'dynamic' ? duration(life.minimumUpdatePeriod) : undefined,
        minBufferTime: duration(mpd.minBufferTime),
        timeShiftBufferDepth: life.type === 'dynamic' ? duration(life.timeShiftBufferDepth) : undefined,
        suggestedPresentationDelay:
          life.type === 'dynamic' ? duration(life.suggestedPresentationDelay) : undefined,
        maxSegmentDuration: duration(mpd.maxSegmentDuration),
      },
      [
        ...mpd.periods.map(periodElement),
        element('UTCTiming', { schemeIdUri: UTC_HTTP_ISO, value: mpd.utcTimingUrl }),
        element('LeapSecondInformation', { availabilityStartLeapOffset: LEAP_OFFSET_SECONDS }),
      ],
    ),
  );
}

function periodElement(period: MpdPeriod): XmlElement {
  return element(
    'Period',
    {
      id: period.id,
      start: duration(period.start),
      duration: period.duration === undefined ? undefined : duration(period.duration),
    },
    period.adaptationSets.map(adaptationSetElement),
  );
}

function adaptationSetElement(set: MpdAdaptationSet): XmlElement {
  return element(
    'AdaptationSet',
    {
      id: set.id,
      lang: set.lang,
      contentType: set.contentType,
      segmentAlignment: true,
      startWithSAP: 1,
      mimeType: `${set.contentType}/mp4`,
    },
    [
      element('Role', { schemeIdUri: ROLE, value: 'main' }),
      ...set.representations.map(representationElement),
    ],
  );
}

function representationElement(representation: MpdRepresentation): XmlElement {
  const { video, audio } = representation;
  const channels =
    audio === undefined
      ? []
      : [element('AudioChannelConfiguration', { schemeIdUri: AUDIO_CHANNELS, value: audio.channelCount })];
  return element(
    'Representation',
    {
      id: representation.id,
      codecs: representation.codecs,
      bandwidth: representation.bandwidth,
      width: video?.width,
      height: video?.height,
      sar: video?.sar,
      frameRate: video?.frameRate,
      audioSamplingRate: audio?.sampleRate,
    },
    [...channels, templateElement(representation.template)],
  );
}

function templateElement(template: MpdSegmentTemplate): XmlElement {
  const { addressing } = template;
  return element(
    'SegmentTemplate',
    {
      timescale: template.timescale,
      presentationTimeOffset: template.presentationTimeOffset,
      duration: addressing.kind === 'duration' ? addressing.duration : undefined,
      startNumber: template.startNumber,
      initialization: template.initialization,
      media: template.media,
    },
    addressing.kind === 'duration'
      ? []
      : [element('SegmentTimeline', {}, timelineElements(addressing.segments))],
  );
}

/**
 * One `S` for each segment, without `@r`: expired segments can then leave one by one, while an `S` with repeats has to
 * stay until the last of them is expired (T-4). Only the first, and one after a jump, needs `@t`.
 */
function timelineElements(segments: readonly MpdSegment[]): XmlElement[] {
  let expected: number | undefined;
  return segments.map(({ t, d }) => {
    const isExpected = t === expected;
    expected = t + d;
    return element('S', { t: isExpected ? undefined : t, d });
  });
}

function duration({ value, timescale }: Ticks): string {
  return marshalDuration(value, timescale);
}
