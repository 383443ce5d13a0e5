import type { Registry } from 'prom-client';
import { createGrpcMetrics } from './adapters/grpc/grpc-metrics.ts';
import type { GrpcMetrics } from './adapters/grpc/grpc-metrics.ts';
import { GrpcSessionPeers } from './adapters/grpc/grpc-session-peers.ts';
import type { GrpcTlsConfig } from './adapters/grpc/grpc-tls.ts';
import { KafkaEventBus } from './adapters/kafka/kafka-event-bus.ts';
import { MemoryEventBus } from './adapters/memory-event-bus.ts';
import { RedisConnection } from './adapters/redis/redis-connection.ts';
import { createRedisMetrics } from './adapters/redis/redis-metrics.ts';
import { RedisInstanceDirectory } from './adapters/redis-instance-directory.ts';
import { RedisLeaseStore } from './adapters/redis-lease-store.ts';
import { RedisSessionStore } from './adapters/redis-session-store.ts';
import type { Clock } from './clock.ts';
import { createEventEmitter } from './event-emitter.ts';
import type { Logger } from './logger.ts';
import type { PlatformConfig } from './platform-config.ts';
import type { EventBus, EventEmitter } from './ports/event-bus.ts';
import type { InstanceDirectory } from './ports/instance-directory.ts';
import type { LeaseStore, UnclaimedSessions } from './ports/lease-store.ts';
import type { SessionPeers } from './ports/session-peers.ts';
import type { SessionStore } from './ports/session-store.ts';
import { stopInOrder } from './stop-in-order.ts';
import type { Stoppable } from './stop-in-order.ts';

/** A start waits so long for Redis. */
const REDIS_WAIT_MS = 2000;

/** What a service that is a process of its own is built on: the ports of the platform on Redis, Kafka and gRPC. */
export interface Platform extends Stoppable {
  readonly redis: RedisConnection;
  readonly sessions: SessionStore;
  readonly leases: LeaseStore & UnclaimedSessions;
  readonly instances: InstanceDirectory;
  readonly bus: EventBus;
  readonly events: EventEmitter;
  readonly peers: SessionPeers;
  readonly grpcMetrics: GrpcMetrics;
  /** Resolves when Redis answers, after 2 s at most: what a service begins before that fails, and goes on without it. */
  begun(): Promise<void>;
  /** Connects the event bus: called when the service is ready, since the client takes its time to load. */
  startEvents(): void;
}

/**
 * Opens the platform; waits for none of it: Redis, Kafka and peers may be away at any time, also now.
 *
 * Without `kafka.brokers` events stay in this process, which is logged. Throws what is wrong with a file of a certificate.
 */
export function openPlatform(
  config: PlatformConfig & { readonly grpc: { readonly tls: GrpcTlsConfig } },
  dependencies: {
    readonly service: string;
    readonly instance: string;
    readonly logger: Logger;
    readonly registry: Registry;
    readonly clock: Clock;
  },
): Platform {
  const { service, instance, logger, registry, clock } = dependencies;
  const redis = new RedisConnection(config.redis, {
    logger,
    metrics: createRedisMetrics(registry),
    name: `millrace-${service}-${instance}`,
  });
  const sessions = new RedisSessionStore({ redis, logger });
  const grpcMetrics = createGrpcMetrics(registry);
  const peers = new GrpcSessionPeers({ tls: config.grpc.tls, logger, metrics: grpcMetrics });
  const { bus, startBus, stopBus } = openBus(config, dependencies);
  redis.start();
  sessions.start();
  return {
    redis,
    sessions,
    leases: new RedisLeaseStore({ redis }),
    instances: new RedisInstanceDirectory({ redis, logger }),
    bus,
    events: createEventEmitter(bus, { service, instance, clock }),
    peers,
    grpcMetrics,
    startEvents: startBus,
    begun: () => redis.ready(AbortSignal.timeout(REDIS_WAIT_MS)).catch(() => undefined),
    // Events are told until the end; Redis goes last, since what stops before may still write to it.
    stop: (deadlineMs) =>
      stopInOrder(
        [
          { stop: () => peers.close() },
          { stop: stopBus },
          { stop: () => sessions.stop() },
          { stop: async () => redis.stop() },
        ],
        deadlineMs,
      ),
  };
}

function openBus(
  config: PlatformConfig,
  dependencies: Parameters<typeof openPlatform>[1],
): {
  readonly bus: EventBus;
  readonly startBus: () => void;
  readonly stopBus: (deadlineMs: number) => Promise<void>;
} {
  const { service, instance, logger, registry } = dependencies;
  if (config.kafka.brokers.length === 0) {
    logger.warn(
      'No kafka.brokers are set: events stay in this process, so workers find sessions by their poll, within a second',
    );
    return {
      bus: new MemoryEventBus({ logger, registry }),
      startBus: () => undefined,
      stopBus: async () => undefined,
    };
  }
  const bus = new KafkaEventBus({
    kafka: config.kafka,
    events: config.events,
    ...{ service, instance, logger, registry },
  });
  return { bus, startBus: () => bus.start(), stopBus: (deadlineMs) => bus.stop(deadlineMs) };
}
