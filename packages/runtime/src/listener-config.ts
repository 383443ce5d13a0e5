import { z } from 'zod';

const port = z.number().int().min(0).max(65_535);

/** The `http` section of a service with a public port. */
export function httpListenerSchema(defaultPort: number) {
  return z
    .object({
      host: z.string().default('127.0.0.1').describe('Address that public HTTP listens on.'),
      port: port.default(defaultPort).describe('Port that public HTTP listens on; 0 lets the system choose.'),
      maxConnections: z
        .number()
        .int()
        .min(1)
        .default(8192)
        .describe('HTTP connections; further ones are closed at once.'),
      idleTimeoutMs: z
        .number()
        .int()
        .min(1)
        .default(30_000)
        .describe('After this long without a byte in either direction a connection is closed, in ms.'),
    })
    .prefault({});
}

/** The `admin` section of a service: metrics and health. */
export function adminListenerSchema(defaultPort: number) {
  return z
    .object({
      host: z.string().default('127.0.0.1').describe('Address of metrics and health.'),
      port: port.default(defaultPort).describe('Port of metrics and health; 0 lets the system choose.'),
    })
    .prefault({});
}

/** The `logLevel` of every service. */
export const logLevelSchema = z
  .enum(['debug', 'info', 'warn', 'error'])
  .default('info')
  .describe('Least severe log level written.');

/** Where public HTTP listens, and what it bears. */
export type HttpListenerConfig = z.infer<ReturnType<typeof httpListenerSchema>>;

/** Where metrics and health are. */
export type AdminListenerConfig = z.infer<ReturnType<typeof adminListenerSchema>>;
