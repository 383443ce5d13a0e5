import { z } from 'zod';
import { INSTANCE_ID } from './adapters/instance-rules.ts';
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

/** Listening on these is listening on every address. */
const UNSPECIFIED_HOSTS = new Set(['0.0.0.0', '::']);

/** A listener that registrations tell others of: one on every address has to say where it is reached. */
export function advertised<S extends z.ZodRawShape>(listener: z.ZodObject<S>, description: string) {
  return listener
    .extend({
      advertisedAddress: z.string().regex(ADDRESS, 'must be host:port').optional().describe(description),
    })
    .refine(
      (value) => {
        const { host, advertisedAddress } = value as { host?: unknown; advertisedAddress?: unknown };
        return advertisedAddress !== undefined || !UNSPECIFIED_HOSTS.has(String(host));
      },
      {
        path: ['advertisedAddress'],
        message: 'has to be set where host is every address: others are told of it',
      },
    );
}

/** The `grpc` section of a service that serves others, which know where it is. */
export function grpcListenerSchema(defaultPort: number) {
  return grpcListener(defaultPort).prefault({});
}

/** The `grpc` section of a service that others hear of by its registration. */
export function registeredGrpcListenerSchema(defaultPort: number) {
  return advertised(
    grpcListener(defaultPort),
    'Where other services reach this one, host:port; host and port when absent.',
  ).prefault({});
}

function grpcListener(defaultPort: number) {
  return z.object({
    host: z.string().default('127.0.0.1').describe('Address that gRPC listens on.'),
    port: z
      .number()
      .int()
      .min(0)
      .max(65_535)
      .default(defaultPort)
      .describe('Port that gRPC listens on; 0 lets the system choose.'),
    tls: grpcTlsSchema,
  });
}

/** The `grpc` section of a service that only calls others. */
export const grpcClientSchema = z.object({ tls: grpcTlsSchema }).prefault({});

/** What a service shares with all others of the platform. */
export type PlatformConfig = z.infer<z.ZodObject<typeof platformSections>>;

/** Where a service serves gRPC. */
export type GrpcListenerConfig = z.infer<ReturnType<typeof grpcListenerSchema>>;

/** The `instance` of a service: the name by which others know this process. */
export function instanceNameSchema(defaultName: string, description: string) {
  return z
    .string()
    .regex(INSTANCE_ID, 'may hold 1 to 128 letters, digits and . _ - only')
    .default(defaultName)
    .describe(description);
}
