import { ingestConfigSchema } from '@millrace/ingest';
import { packagerConfigSchema } from '@millrace/packager';
import { playlistApiConfigSchema } from '@millrace/playlist-api';
import { workerConfigSchema } from '@millrace/transcode-worker';
import { z } from 'zod';

const port = z.number().int().min(0).max(65_535);

/** Settings of a whole Millrace in one process: a section for each service, and what they share. */
export const standaloneConfigSchema = z.object({
  http: z
    .object({
      host: z.string().default('127.0.0.1').describe('Address that public HTTP listens on.'),
      port: port.default(8080).describe('Port that public HTTP listens on; 0 lets the system choose.'),
    })
    .prefault({}),
  admin: z
    .object({
      host: z.string().default('127.0.0.1').describe('Address of metrics and health.'),
      port: port.default(9200).describe('Port of metrics and health; 0 lets the system choose.'),
    })
    .prefault({}),
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
  logLevel: z
    .enum(['debug', 'info', 'warn', 'error'])
    .default('info')
    .describe('Least severe log level written.'),
  ingest: ingestConfigSchema.prefault({}),
  worker: workerConfigSchema.prefault({}),
  packager: packagerConfigSchema.prefault({}),
  playlistApi: playlistApiConfigSchema
    .omit({ http: true, admin: true, adminToken: true, stateDirectory: true, logLevel: true })
    .prefault({}),
});

/** Settings of a whole Millrace in one process. */
export type StandaloneConfig = z.infer<typeof standaloneConfigSchema>;
