import {
  adminListenerSchema,
  grpcListenerSchema,
  httpListenerSchema,
  logLevelSchema,
  platformSections,
  instanceNameSchema,
} from '@millrace/runtime';
import { z } from 'zod';

const port = z.number().int().min(0).max(65_535);

/** Settings of playlist-api. */
export const playlistApiConfigSchema = z.object({
  http: httpListenerSchema(8080),
  admin: adminListenerSchema(9204),
  adminToken: z
    .string('is missing: set MILLRACE_ADMIN_TOKEN, or MILLRACE_ADMIN_TOKEN_FILE to the file that holds it')
    .min(16, 'must have at least 16 characters')
    .max(256)
    .meta({ secret: true })
    .describe('Bearer token of the REST API.'),
  channelFiles: z
    .array(z.string())
    .default([])
    .describe('YAML files of channels, ladders and stream keys that are declared at start.'),
  rtmp: z
    .object({
      publicHost: z
        .string()
        .default('')
        .describe('Host name that encoders use; empty: the one the page was opened with.'),
      publicPort: port.default(1935).describe('RTMP port that encoders use.'),
      apps: z
        .array(z.string().min(1))
        .min(1)
        .default(['live'])
        .describe('RTMP application names that take publishers.'),
    })
    .prefault({}),
  holdMs: z
    .number()
    .int()
    .min(0)
    .max(30_000)
    .default(5000)
    .describe('How long a viewer of a session that is starting is held, in ms.'),
  maxHeldRequests: z
    .number()
    .int()
    .min(0)
    .default(2000)
    .describe('Viewers that are held at once; more get 503.'),
  validateResponses: z
    .boolean()
    .default(false)
    .describe('Holds the answers of the REST API to its OpenAPI document too; for development.'),
  logLevel: logLevelSchema,
});

/** Settings of playlist-api, as `playlistApiConfigSchema` compiles them. */
export type PlaylistApiConfig = z.infer<typeof playlistApiConfigSchema>;

/** Settings of a playlist-api that is a process of its own. */
export const playlistApiServiceConfigSchema = playlistApiConfigSchema.extend({
  instance: instanceNameSchema('playlist-api-1', 'Name of this playlist-api in events and logs.'),
  grpc: grpcListenerSchema(9103),
  ...platformSections,
});

/** Settings of a playlist-api that is a process of its own, as validated. */
export type PlaylistApiServiceConfig = z.infer<typeof playlistApiServiceConfigSchema>;
