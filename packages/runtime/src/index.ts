export type { Clock } from './clock.ts';
export { ConfigError, loadConfig } from './config.ts';
export type { ConfigSources } from './config.ts';
export { describeSettings, environmentNames, formatHelp } from './config-reference.ts';
export type { Setting } from './config-reference.ts';
export { ConflatingQueue } from './conflating-queue.ts';
export { createEventEmitter } from './event-emitter.ts';
export { createListenerMetrics, listenFor } from './http-server.ts';
export type { HttpHandler, HttpService, ListenerAddresses } from './http-server.ts';
export { jittered } from './jitter.ts';
export { adminListenerSchema, httpListenerSchema, logLevelSchema } from './listener-config.ts';
export type { AdminListenerConfig, HttpListenerConfig } from './listener-config.ts';
export { watchInstances } from './known-instances.ts';
export type { KnownInstances } from './known-instances.ts';
export { listen } from './listen.ts';
export { createLogger } from './logger.ts';
export type { Logger, LogLevel } from './logger.ts';
export { createRegistry } from './metrics.ts';
export { choosePackagers, isWilling, PLACED_PACKAGERS, rankPackagers } from './placement.ts';
export { openPlatform } from './platform.ts';
export type { Platform } from './platform.ts';
export { parseRedisUrl } from './adapters/redis/redis-url.ts';
export {
  advertised,
  grpcClientSchema,
  grpcListenerSchema,
  instanceNameSchema,
  platformSections,
  registeredGrpcListenerSchema,
} from './platform-config.ts';
export type { GrpcListenerConfig, PlatformConfig } from './platform-config.ts';
export { keepRegistered } from './registration.ts';
export { createGuardMetrics, createOutboundGuard } from './outbound-guard.ts';
export type { OutboundGuard } from './outbound-guard.ts';
export { checkOpenFileLimit } from './open-file-limit.ts';
export { runService } from './run-service.ts';
export type { RunningService } from './run-service.ts';
export { followSessionRecords } from './session-records.ts';
export { ServiceError } from './service-error.ts';
export type { ServiceErrorCode } from './service-error.ts';
export { hasRoom, unitsOf } from './session-units.ts';
export { stopInOrder } from './stop-in-order.ts';
export type { Stoppable } from './stop-in-order.ts';
export { startAdminServer } from './admin-server.ts';
export type { RunningAdminServer } from './admin-server.ts';

export { GrpcChannel } from './adapters/grpc/grpc-channel.ts';
export type { GrpcChannelOptions } from './adapters/grpc/grpc-channel.ts';
export { controlService, GrpcControl } from './adapters/grpc/grpc-control.ts';
export { MESSAGE_LIMITS, served } from './adapters/grpc/grpc-limits.ts';
export type { MessageLimits } from './adapters/grpc/grpc-limits.ts';
export { GrpcMediaRelay, mediaRelayService } from './adapters/grpc/grpc-media-relay.ts';
export { createGrpcMetrics } from './adapters/grpc/grpc-metrics.ts';
export type { GrpcMetrics } from './adapters/grpc/grpc-metrics.ts';
export { GrpcRenditionSink } from './adapters/grpc/grpc-rendition-sink.ts';
export { GrpcSessionCopies, GrpcSessionCopy, sessionCopyService } from './adapters/grpc/grpc-session-copy.ts';
export { GrpcSegmentIndex, segmentIndexService } from './adapters/grpc/grpc-segment-index.ts';
export { startGrpcServer } from './adapters/grpc/grpc-server.ts';
export type { RunningGrpcServer } from './adapters/grpc/grpc-server.ts';
export type { GrpcService } from './adapters/grpc/grpc-service.ts';
export { grpcTlsSchema } from './adapters/grpc/grpc-tls.ts';
export type { GrpcTlsConfig } from './adapters/grpc/grpc-tls.ts';
export { renditionSinkService } from './adapters/grpc/rendition-sink-service.ts';
export { eventBusConfigSchema, eventsConfigSchema, kafkaConfigSchema } from './adapters/kafka/config.ts';
export type { EventsConfig, KafkaConfig } from './adapters/kafka/config.ts';
export { KafkaEventBus } from './adapters/kafka/kafka-event-bus.ts';
export { createKafkaEventMetrics } from './adapters/kafka/metrics.ts';
export { LocalSessionPeers } from './adapters/local-session-peers.ts';
export { createEventQueueMetrics, MemoryEventBus } from './adapters/memory-event-bus.ts';
export { MemoryInstanceDirectory } from './adapters/memory-instance-directory.ts';
export { MemoryLeaseStore } from './adapters/memory-lease-store.ts';
export { MemorySessionStore } from './adapters/memory-session-store.ts';
export { RedisConnection } from './adapters/redis/redis-connection.ts';
export type { RedisReply, RedisScript } from './adapters/redis/redis-script.ts';
export { createRedisMetrics } from './adapters/redis/redis-metrics.ts';
export { redisSchema } from './adapters/redis/redis-config.ts';
export type { RedisConfig } from './adapters/redis/redis-config.ts';
export { RedisInstanceDirectory } from './adapters/redis-instance-directory.ts';
export { RedisLeaseStore } from './adapters/redis-lease-store.ts';
export { RedisSessionStore } from './adapters/redis-session-store.ts';

export type { Control } from './ports/control.ts';
export type { EventBus, EventEmitter, EventEnvelope, EventHandler } from './ports/event-bus.ts';
export type { InstanceDirectory, InstanceKind, InstanceRegistration } from './ports/instance-directory.ts';
export type {
  Lease,
  LeaseState,
  LeaseStore,
  SessionRef,
  Standby,
  UnclaimedSessions,
} from './ports/lease-store.ts';
export type { MediaRelay } from './ports/media-relay.ts';
export type { RenditionSink, SinkStream } from './ports/rendition-sink.ts';
export type { SegmentIndex } from './ports/segment-index.ts';
export type { SessionCopies, SessionCopy } from './ports/session-copy.ts';
export type { PlacedPackager, SessionPeers } from './ports/session-peers.ts';
export type {
  PublishClaim,
  PublishClaimRefusal,
  PublishOutcome,
  SessionChange,
  SessionStore,
} from './ports/session-store.ts';
