export * as session from './gen/millrace/session/v1/session.ts';
export * as relay from './gen/millrace/relay/v1/media_relay.ts';
export * as sink from './gen/millrace/sink/v1/rendition_sink.ts';
export * as segmentIndex from './gen/millrace/index/v1/segment_index.ts';
export * as twin from './gen/millrace/twin/v1/session_copy.ts';
export * as control from './gen/millrace/control/v1/control.ts';
export * as events from './gen/millrace/events/v1/events.ts';
export * as externalScaler from './gen/externalscaler/externalscaler.ts';

export { marshalEvent, parseEvent } from './event.ts';
export type { EventType, MillraceEvent } from './event.ts';
