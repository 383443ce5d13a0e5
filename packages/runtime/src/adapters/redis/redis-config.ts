import { z } from 'zod';
import { parseRedisUrl } from './redis-url.ts';

const file = (what: string) => z.string().optional().describe(`${what}, a PEM file.`);

/** The `redis` section of every service that runs as a process of its own. */
export const redisSchema = z
  .object({
    url: z
      .string({
        error: 'is not set: redis://host:6379, where the services share what they know of live sessions',
      })
      .meta({ secret: true, alias: 'REDIS_URL' })
      .describe(
        'Where Redis is: redis://[user[:password]@]host[:port][/database], rediss:// for TLS. Several hosts, separated by commas, are the Sentinels or the seeds of a Cluster.',
      ),
    username: z.string().optional().describe('ACL user; wins over the one in the URL.'),
    password: z
      .string()
      .optional()
      .meta({ secret: true })
      .describe('Password of the user; wins over the one in the URL.'),
    cluster: z.boolean().default(false).describe('True when the URL names seeds of a Redis Cluster.'),
    sentinel: z
      .object({
        name: z
          .string()
          .optional()
          .describe('Name of the master that the Sentinels watch; with it the URL names the Sentinels.'),
        username: z.string().optional().describe('ACL user at the Sentinels.'),
        password: z
          .string()
          .optional()
          .meta({ secret: true })
          .describe('Password of the user at the Sentinels.'),
      })
      .prefault({}),
    tls: z
      .object({
        caFile: file('Certificates of the authorities that are trusted instead of the system’s'),
        certFile: file('Client certificate'),
        keyFile: file('Key of the client certificate'),
        serverName: z
          .string()
          .optional()
          .describe('Name that the certificate has to bear instead of the host’s.'),
      })
      .prefault({}),
  })
  .superRefine((config, context) => {
    const url = parseRedisUrl(config.url);
    // The text itself may hold a password and is never shown.
    const refuse = (path: string[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    if (url === undefined) {
      refuse(['url'], 'is not redis://[user[:password]@]host[:port][,host[:port]][/database]');
      return;
    }
    const { name } = config.sentinel;
    if (config.cluster && name !== undefined)
      refuse(['cluster'], 'a Cluster has no Sentinels; unset sentinel.name');
    if (config.cluster && url.database !== 0) refuse(['url'], 'a Cluster has only database 0');
    if (!config.cluster && name === undefined && url.addresses.length > 1) {
      refuse(['url'], 'several hosts need cluster: true or sentinel.name');
    }
    if ((config.tls.certFile === undefined) !== (config.tls.keyFile === undefined)) {
      refuse(['tls', 'certFile'], 'a client certificate needs tls.certFile and tls.keyFile');
    }
  });

/** How Redis is reached. */
export type RedisConfig = z.infer<typeof redisSchema>;
