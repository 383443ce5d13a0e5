import {
  adminListenerSchema,
  logLevelSchema,
  platformSections,
  registeredGrpcListenerSchema,
  instanceNameSchema,
} from '@millrace/runtime';
import { z } from 'zod';

const positive = z.number().int().positive();
const seconds = z.number().positive();
const addressOrSubnet = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]);

/** Settings of ingest. */
export const ingestConfigSchema = z.object({
  instance: instanceNameSchema(
    'ingest-1',
    'Name of this ingest in records, events and logs: no other ingest may have it.',
  ),
  rtmp: z
    .object({
      host: z.string().default('127.0.0.1').describe('Address that RTMP listens on.'),
      port: z
        .number()
        .int()
        .min(0)
        .max(65_535)
        .default(1935)
        .describe('Port of RTMP; 0 lets the system choose.'),
      proxyProtocol: z
        .object({
          trustedAddresses: z
            .array(
              z
                .string()
                .refine((text) => addressOrSubnet.safeParse(text).success, 'must be an address or a subnet'),
            )
            .default([])
            .describe(
              'Balancers, as addresses or subnets (10.0.0.0/8), whose connections begin with a PROXY protocol header, version 2.',
            ),
        })
        .prefault({}),
      apps: z.array(z.string().min(1)).min(1).default(['live']).describe('Application names that are taken.'),
    })
    .prefault({}),
  limits: z
    .object({
      connections: positive.default(8192).describe('Connections at once.'),
      connectionsPerAddress: positive
        .default(8192)
        .describe('Connections at once from one address; behind a load balancer all may have the same.'),
      refusedKeysPerMinute: positive
        .default(30)
        .describe('Wrong stream keys of one address that are answered at once; more are answered late.'),
      refusedKeyHoldSeconds: seconds
        .default(5)
        .describe('How late a wrong stream key of an address that has shown too many is answered.'),
      pendingKeysPerAddress: positive
        .default(64)
        .describe(
          'Stream keys of an address that has shown too many wrong ones that may wait for an answer at once; more are refused, unless they were right before.',
        ),
      handshakeSeconds: seconds.default(5).describe('Time for the RTMP handshake.'),
      connectSeconds: seconds.default(5).describe('Time from the handshake to `connect`.'),
      publishSeconds: seconds.default(10).describe('Time from `connect` to `publish`.'),
      connectionTimeoutSeconds: seconds
        .default(30)
        .describe('A connection that sends nothing at all for this long is closed.'),
      idleSeconds: seconds
        .default(60)
        .describe('A connection that carries no media for this long is closed.'),
      mediaLostSeconds: seconds
        .default(5)
        .describe('A publication without media for this long is lost: the session waits for a reconnect.'),
      outputBytes: positive
        .default(1024 * 1024)
        .describe('Replies that may wait for an encoder that does not read them.'),
      bitsPerSecond: positive
        .default(100_000_000)
        .describe('Rate of one connection, over five seconds; a faster one is closed.'),
      unitsPerSecond: positive
        .default(10_000)
        .describe(
          'Pictures and audio frames that one publication may come to, those that fill its holes included, over five seconds.',
        ),
      periodsPerMinute: positive
        .default(60)
        .describe('Periods that one publication may open by jumps of its clock and changes of its settings.'),
      standbyBytes: positive
        .default(32 * 1024 * 1024)
        .describe(
          'Bytes of recent media kept for one encoder that stands by; what is on air then begins later, with the next IDR.',
        ),
      heldBytes: positive
        .default(512 * 1024 * 1024)
        .describe(
          'Bytes that unfinished messages of all connections may hold; the largest holder is closed first.',
        ),
    })
    .prefault({}),
  storeHoldSeconds: seconds
    .default(10)
    .describe(
      'How long a new publication is held while its stream key cannot be checked or the session store does not answer.',
    ),
  ring: z
    .object({
      seconds: positive
        .default(20)
        .describe('Recent media kept for a worker that resumes; at least two GOPs are.'),
      maxBytes: positive
        .default(64 * 1024 * 1024)
        .describe('Most bytes of recent media kept for one session, whatever its bitrate.'),
      maxTotalBytes: positive
        .default(8 * 1024 ** 3)
        .describe(
          'Bytes of recent media of all sessions; while there are more, new publications are refused.',
        ),
    })
    .prefault({}),
});

/** Settings of ingest. */
export type IngestConfig = z.infer<typeof ingestConfigSchema>;
/** Settings of an ingest that is a process of its own. */
export const ingestServiceConfigSchema = ingestConfigSchema.extend({
  admin: adminListenerSchema(9201),
  grpc: registeredGrpcListenerSchema(9101),
  control: z
    .object({
      address: z
        .string()
        .min(1)
        .default('127.0.0.1:9103')
        .describe('Where playlist-api answers gRPC: host:port, or any target of gRPC.'),
    })
    .prefault({}),
  ...platformSections,
  logLevel: logLevelSchema,
});

/** Settings of an ingest that is a process of its own, as validated. */
export type IngestServiceConfig = z.infer<typeof ingestServiceConfigSchema>;
