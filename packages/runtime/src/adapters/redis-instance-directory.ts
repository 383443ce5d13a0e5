import { z } from 'zod';
import type { Logger } from '../logger.ts';
import type { InstanceDirectory, InstanceKind, InstanceRegistration } from '../ports/instance-directory.ts';
import { REGISTRATION_TTL_MS, assertInstanceId } from './instance-rules.ts';
import type { RedisConnection } from './redis/redis-connection.ts';

const registrationSchema = z.object({
  kind: z.enum(['ingest', 'worker', 'packager']),
  id: z.string(),
  runId: z.string(),
  address: z.string(),
  httpAddress: z.string().optional(),
  capacityUnits: z.number(),
  loadUnits: z.number(),
  isDraining: z.boolean(),
});

/**
 * Registrations in Redis: `worker:<id>` with a TTL that Redis itself keeps, and `instances:worker`, the ids that may be there.
 *
 * Calls fail with `REDIS_UNAVAILABLE` (retryable) within a second while Redis is away.
 */
export class RedisInstanceDirectory implements InstanceDirectory {
  readonly #redis: RedisConnection;
  readonly #logger: Logger;

  constructor(options: { readonly redis: RedisConnection; readonly logger: Logger }) {
    this.#redis = options.redis;
    this.#logger = options.logger;
  }

  async register(registration: InstanceRegistration): Promise<InstanceRegistration | undefined> {
    assertInstanceId(registration);
    const { kind, id } = registration;
    const value = JSON.stringify(registration);
    const before = await this.#redis.do((client) =>
      client.set(keyOf(kind, id), value, 'PX', REGISTRATION_TTL_MS, 'GET'),
    );
    await this.#redis.do((client) => client.sadd(indexOf(kind), id));
    return before === null ? undefined : this.#parse(kind, id, before)[0];
  }

  async unregister(kind: InstanceKind, id: string): Promise<void> {
    await this.#redis.do((client) => client.del(keyOf(kind, id)));
    await this.#redis.do((client) => client.srem(indexOf(kind), id));
  }

  async list(kind: InstanceKind): Promise<readonly InstanceRegistration[]> {
    const ids = await this.#redis.do((client) => client.smembers(indexOf(kind)));
    const found = await Promise.all(
      ids.toSorted().map(async (id) => {
        // One key a command: on a Cluster they are on different nodes.
        const value = await this.#redis.do((client) => client.get(keyOf(kind, id)));
        if (value === null) {
          // An instance that comes back right now lists itself again within a second.
          await this.#redis.do((client) => client.srem(indexOf(kind), id));
          return [];
        }
        return this.#parse(kind, id, value);
      }),
    );
    return found.flat();
  }

  #parse(kind: InstanceKind, id: string, value: string): readonly InstanceRegistration[] {
    try {
      const registration = registrationSchema.parse(JSON.parse(value));
      if (registration.kind === kind && registration.id === id) return [registration];
    } catch (error) {
      this.#logger.debug({ err: error }, 'A registration cannot be read');
    }
    this.#logger.warn({ kind, id }, 'A registration in Redis cannot be read; the instance is left out');
    return [];
  }
}

function keyOf(kind: InstanceKind, id: string): string {
  return `${kind}:${id}`;
}

function indexOf(kind: InstanceKind): string {
  return `instances:${kind}`;
}
