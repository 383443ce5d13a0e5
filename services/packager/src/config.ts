import {
  adminListenerSchema,
  advertised,
  registeredGrpcListenerSchema,
  httpListenerSchema,
  logLevelSchema,
  platformSections,
  instanceNameSchema,
} from '@millrace/runtime';
import { z } from 'zod';

const count = z.number().int().min(1);

/** Settings of the packager. */
export const packagerConfigSchema = z.object({
  http: httpListenerSchema(8081),
  admin: adminListenerSchema(9203),
  memory: z
    .object({
      maxTotalBytes: count
        .default(2 * 1024 ** 3)
        .describe('Bytes of media held for all sessions; parts beyond are refused.'),
      maxSessionBytes: count
        .default(512 * 1024 ** 2)
        .describe('Bytes of media held for one session; parts beyond are refused.'),
      maxForwardedBytes: count
        .default(128 * 1024 ** 2)
        .describe(
          'Bytes of bodies that are fetched from other packagers at a time; further requests get 503.',
        ),
      maxTsCacheBytes: count
        .default(64 * 1024 ** 2)
        .describe(
          'Bytes of MPEG-TS segments kept, so that one is made once; the least recently used goes first.',
        ),
    })
    .prefault({}),
  limits: z
    .object({
      maxSessions: count.default(1000).describe('Sessions held; further ones are refused.'),
      maxRenditions: count.default(32).describe('Renditions of one session; further ones are refused.'),
      maxPartBytes: count.default(32 * 1024 ** 2).describe('Bytes of one part; a larger one is refused.'),
      maxInitBytes: count.default(64 * 1024).describe('Bytes of one init segment; a larger one is refused.'),
      maxForwardedRequests: count
        .default(256)
        .describe('Different requests to other packagers at a time; further ones get 503.'),
      maxWaiters: count.default(20_000).describe('Requests that are held at a time; further ones get 503.'),
      maxIndexReaders: count
        .default(10_000)
        .describe(
          'Readers of the segment index, one for each session and replica of playlist-api, that wait for rows at a time; further ones are refused.',
        ),
    })
    .prefault({}),
  startHoldMs: z
    .number()
    .int()
    .min(0)
    .max(30_000)
    .default(5000)
    .describe('How long a playlist without a segment yet is held before it is a 404, in ms.'),
  logLevel: logLevelSchema,
});

/** Settings of the packager, as validated. */
export type PackagerConfig = z.infer<typeof packagerConfigSchema>;

/** Settings of a packager that is a process of its own. */
export const packagerServiceConfigSchema = packagerConfigSchema.extend({
  instance: instanceNameSchema(
    'packager-1',
    'Name of this packager in placements, events and logs: no other packager may have it.',
  ),
  http: advertised(
    httpListenerSchema(8081).unwrap(),
    'Where other packagers reach public HTTP of this one, host:port; host and port when absent.',
  ).prefault({}),
  grpc: registeredGrpcListenerSchema(9102),
  ...platformSections,
});

/** Settings of a packager that is a process of its own, as validated. */
export type PackagerServiceConfig = z.infer<typeof packagerServiceConfigSchema>;
