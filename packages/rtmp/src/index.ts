export {
  type AmfDate,
  type AmfEcmaArray,
  type AmfObject,
  type AmfValue,
  type AmfXml,
  amfObject,
  amfProperties,
} from './amf/amf-value.ts';
export { marshalAmf0, parseAmf0 } from './amf/amf0.ts';
export { marshalAmf3 } from './amf/amf3-writer.ts';
export { parseAmf3 } from './amf/amf3.ts';
export { type ChunkLimits, DEFAULT_CHUNK_LIMITS } from './chunk/chunk-limits.ts';
export { ChunkReader, type MessageSink } from './chunk/chunk-reader.ts';
export { ChunkWriter } from './chunk/chunk-writer.ts';
export { RtmpClientSession, type RtmpClientEvent, type RtmpClientOptions } from './client/client-session.ts';
export { MessageType, type RtmpMessage } from './message-type.ts';
export { isRtmpError, RtmpError, type RtmpErrorKind } from './rtmp-error.ts';
export type { EnhancedCapabilities, RtmpConnect } from './server/connect.ts';
export { type PublishTarget, resolvePublishTarget } from './server/publish-target.ts';
export type {
  ConnectEvent,
  ErrorEvent,
  MediaEvent,
  MetadataEvent,
  PublishRequestEvent,
  RefusedEvent,
  RtmpServerEvent,
  UnpublishEvent,
} from './server/server-event.ts';
export { type RtmpPhase, RtmpServerSession, type RtmpServerOptions } from './server/server-session.ts';
