import { z } from 'zod';
import { grpcTlsSchema } from './adapters/grpc/grpc-tls.ts';
import { eventsConfigSchema, kafkaConfigSchema } from './adapters/kafka/config.ts';
import { redisSchema } from './adapters/redis/redis-config.ts';

const ADDRESS = /^([^\s:,/]+|\[[0-9a-fA-F:]+\]):\d{1,5}$/;

/** The sections that every service has which runs as a process of its own: Redis, Kafka, events. */
export const platformSections = {
  redis: redisSchema,
  kafka: kafkaConfigSchema,
  events: eventsConfigSchema,
} as const;

/** The `grpc` section of a service that serves others. */
export function grpcListenerSchema(defaultPort: number) {
  return z
    .object({
      host: z.string().default('127.0.0.1').describe('Address that gRPC listens on.'),
      port: z
        .number()
        .int()
        .min(0)
        .max(65_535)
        .default(defaultPort)
        .describe('Port that gRPC listens on; 0 lets the system choose.'),
      advertisedAddress: z
        .string()
        .regex(ADDRESS, 'must be host:port')
        .optional()
        .describe('Where other services reach this one, host:port; host and port when absent.'),
      tls: grpcTlsSchema,
    })
    .prefault({});
}

/** The `grpc` section of a service that only calls others. */
export const grpcClientSchema = z.object({ tls: grpcTlsSchema }).prefault({});

/** What a service shares with all others of the platform. */
export type PlatformConfig = z.infer<z.ZodObject<typeof platformSections>>;

/** Where a service serves gRPC. */
export type GrpcListenerConfig = z.infer<ReturnType<typeof grpcListenerSchema>>;
