export type { Clock } from './clock.ts';
export { ServiceError } from './service-error.ts';
export type { ServiceErrorCode } from './service-error.ts';

export type { Control } from './ports/control.ts';
export type { EventBus, EventEmitter, EventEnvelope, EventHandler } from './ports/event-bus.ts';
export type { Lease, LeaseStore } from './ports/lease-store.ts';
export type { MediaRelay } from './ports/media-relay.ts';
export type { RenditionSink, SinkStream } from './ports/rendition-sink.ts';
export type { SegmentIndex } from './ports/segment-index.ts';
export type {
  PublishClaim,
  PublishClaimRefusal,
  PublishOutcome,
  SessionChange,
  SessionStore,
} from './ports/session-store.ts';
