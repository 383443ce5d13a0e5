import * as messages from './gen/millrace/events/v1/events.ts';

/** The codec of every event message, by its name: the one list of what may travel on the bus. */
const EVENT_CODECS = {
  ChannelChanged: messages.ChannelChanged,
  HandoverFailed: messages.HandoverFailed,
  InputWarning: messages.InputWarning,
  LadderRunning: messages.LadderRunning,
  LeaseHandedOver: messages.LeaseHandedOver,
  LeaseReleased: messages.LeaseReleased,
  LeaseTaken: messages.LeaseTaken,
  PeriodOpened: messages.PeriodOpened,
  PublicationLost: messages.PublicationLost,
  PublicationRefused: messages.PublicationRefused,
  PublicationStarted: messages.PublicationStarted,
  RungShed: messages.RungShed,
  SegmentPublished: messages.SegmentPublished,
  SessionEnded: messages.SessionEnded,
  SessionOpened: messages.SessionOpened,
  SessionPrepared: messages.SessionPrepared,
  SourceBoundaryMissed: messages.SourceBoundaryMissed,
  StreamKeyChanged: messages.StreamKeyChanged,
  SuccessorCalled: messages.SuccessorCalled,
  TranscoderRestarted: messages.TranscoderRestarted,
} as const;

type Codecs = typeof EVENT_CODECS;

/** The name of an event message: `SessionOpened`, without its package. */
export type EventType = keyof Codecs;

/** An event: what happened, as a tagged union over every message of `millrace.events.v1`. */
export type MillraceEvent = {
  [T in EventType]: { readonly type: T; readonly data: ReturnType<Codecs[T]['decode']> };
}[EventType];

const TYPE_PREFIX = 'millrace.events.v1.';

/** Marshals an event to the `ce_type` header and the data of a CloudEvent in binary mode. */
export function marshalEvent(event: MillraceEvent): { readonly ceType: string; readonly data: Uint8Array } {
  // The union guarantees that the codec of `type` takes `data`; the compiler cannot follow it through the lookup.
  const codec = EVENT_CODECS[event.type] as { encode(message: unknown): { finish(): Uint8Array } };
  return { ceType: TYPE_PREFIX + event.type, data: codec.encode(event.data).finish() };
}

/** Parses what `marshalEvent` wrote; `undefined` for a type this build does not know. Throws on malformed data. */
export function parseEvent(ceType: string, data: Uint8Array): MillraceEvent | undefined {
  const type = ceType.startsWith(TYPE_PREFIX) ? ceType.slice(TYPE_PREFIX.length) : '';
  if (!Object.hasOwn(EVENT_CODECS, type)) return undefined;
  const codec = EVENT_CODECS[type as EventType];
  return { type, data: codec.decode(data) } as MillraceEvent;
}
