import type { AmfValue } from '../amf/amf-value.ts';
import type { RtmpError } from '../rtmp-error.ts';
import type { RtmpConnect } from './connect.ts';
import type { PublishTarget } from './publish-target.ts';

/** An encoder connected and was answered. */
export interface ConnectEvent {
  readonly kind: 'connect';
  readonly connect: RtmpConnect;
}

/** An encoder wants to publish; nothing more is read until `acceptPublish` or `refuse` is called. */
export interface PublishRequestEvent {
  readonly kind: 'publish-request';
  readonly target: PublishTarget;
}

/** Audio, video, or data other than metadata, of an accepted publication. */
export interface MediaEvent {
  readonly kind: 'message';
  readonly type: 'audio' | 'video' | 'data';
  /** As on the wire: 32 bits, wraps; some encoders wrap at 31 bits. */
  readonly timestampMs: number;
  /** The body of an FLV tag; the receiver's own. */
  readonly payload: Uint8Array;
}

/** onMetaData: advisory, may come often and change. */
export interface MetadataEvent {
  readonly kind: 'metadata';
  readonly timestampMs: number;
  readonly values: ReadonlyMap<string, AmfValue>;
}

/** The encoder stopped publishing; the connection may stay and publish again. */
export interface UnpublishEvent {
  readonly kind: 'unpublish';
}

/** The session itself refused something and is closed: send the output, then close the connection. */
export interface RefusedEvent {
  readonly kind: 'refused';
  readonly code: string;
  readonly description: string;
}

/** The peer broke the protocol or a limit; the session is closed: close the connection. */
export interface ErrorEvent {
  readonly kind: 'error';
  readonly error: RtmpError;
}

/** What a server session tells its owner, in the order it happened. */
export type RtmpServerEvent =
  | ConnectEvent
  | PublishRequestEvent
  | MediaEvent
  | MetadataEvent
  | UnpublishEvent
  | RefusedEvent
  | ErrorEvent;
