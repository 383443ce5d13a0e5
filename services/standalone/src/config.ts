import { ingestConfigSchema } from '@millrace/ingest';
import { packagerConfigSchema } from '@millrace/packager';
import { playlistApiConfigSchema } from '@millrace/playlist-api';
import { adminListenerSchema, httpListenerSchema, logLevelSchema } from '@millrace/runtime';
import { workerConfigSchema } from '@millrace/transcode-worker';
import { z } from 'zod';

/** Settings of a whole Millrace in one process: a section for each service, and what they share. */
export const standaloneConfigSchema = z.object({
  http: httpListenerSchema(8080),
  admin: adminListenerSchema(9200),
  stateDirectory: z
    .string()
    .min(1)
    .default('.millrace')
    .describe('Directory for the admin token, channels and hashed stream keys.'),
  adminToken: z
    .string()
    .min(16, 'must have at least 16 characters')
    .max(256)
    .meta({ secret: true })
    .optional()
    .describe('Bearer token of the REST API; without it one is made and kept in the state directory.'),
  printAddresses: z
    .boolean()
    .default(false)
    .describe('Print one line of JSON with the addresses to standard output when everything is ready.'),
  logLevel: logLevelSchema,
  ingest: ingestConfigSchema.prefault({}),
  worker: workerConfigSchema.prefault({}),
  packager: packagerConfigSchema.omit({ http: true, admin: true, logLevel: true }).prefault({}),
  playlistApi: playlistApiConfigSchema
    .omit({ http: true, admin: true, adminToken: true, logLevel: true })
    .prefault({}),
});

/** Settings of a whole Millrace in one process. */
export type StandaloneConfig = z.infer<typeof standaloneConfigSchema>;
