import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { Cluster, Redis } from 'ioredis';
import type { ClusterOptions, RedisOptions } from 'ioredis';
import { jittered } from '../../jitter.ts';
import type { Logger } from '../../logger.ts';
import { ServiceError } from '../../service-error.ts';
import type { RedisConfig } from './redis-config.ts';
import { toServiceError } from './redis-errors.ts';
import type { RedisMetrics } from './redis-metrics.ts';
import type { RedisReply, RedisScript } from './redis-script.ts';
import { parseRedisUrl } from './redis-url.ts';
import type { RedisUrl } from './redis-url.ts';
import { OwnedSentinelConnector } from './sentinel-connector.ts';

/** After this long without an answer a command has failed; it may still run later. */
const COMMAND_TIMEOUT_MS = 1000;
/** A connection on which a command waits, and nothing comes for so long, is dead or hangs: it is closed, with all that waits on it. */
const SOCKET_TIMEOUT_MS = 1500;
const CONNECT_TIMEOUT_MS = 2000;
/** How often the connection that listens is asked whether it lives: nothing else would show that it does not. */
const PING_INTERVAL_MS = 5000;
/** How long a command that failed waits for Redis to be back, to be tried once more. */
const RETRY_WITHIN_MS = 500;
const MAX_RECONNECT_DELAY_MS = 1000;
/** How often a Cluster is asked who has which slots, beside whenever a node says that it has moved one. */
const SLOTS_REFRESH_MS = 5000;
const STATES = ['ready', 'away'] as const;

type Client = Redis | Cluster;
/** What a connection has in common with one to a node of a Cluster. */
type CommonOptions = Omit<NonNullable<ClusterOptions['redisOptions']>, 'replyMapping'>;

/**
 * The connections of one process to Redis: one for commands, one that listens.
 *
 * While Redis is away every command fails at once (nothing is queued without bound), and the connection is tried again for
 * ever, at least once a second. A connection that hangs, or is dead without a word, is given up after 1.5 s and made anew: so
 * much is sent to a Redis that hangs and no more, and may be run when it is back. Commands that fail reject with a `ServiceError`: `REDIS_UNAVAILABLE`,
 * `REDIS_PERMISSION_DENIED` or `REDIS_COMMAND_FAILED`.
 */
export class RedisConnection {
  readonly #config: RedisConfig;
  readonly #name: string;
  readonly #logger: Logger;
  readonly #metrics: RedisMetrics;
  readonly #readyListeners = new Set<() => void>();
  readonly #scripts = new Set<string>();
  readonly #client: Client;
  #subscriber: Client | undefined;
  /** Not that of ioredis, which it begins anew when a refresh ends after the disconnect. */
  #slotsTimer: NodeJS.Timeout | undefined;
  #pingTimer: NodeJS.Timeout | undefined;
  readonly #retries = new Set<NodeJS.Timeout>();
  #isReady = false;
  #isStopped = false;

  constructor(
    config: RedisConfig,
    dependencies: { readonly logger: Logger; readonly metrics: RedisMetrics; readonly name: string },
  ) {
    this.#config = config;
    this.#name = dependencies.name;
    this.#logger = dependencies.logger;
    this.#metrics = dependencies.metrics;
    this.#client = this.#createClient({ isSubscriber: false });
    this.#observe(this.#client);
    this.#show(false);
  }

  get metrics(): RedisMetrics {
    return this.#metrics;
  }

  /** True while commands are taken. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Begins to connect; does not wait for it. */
  start(): void {
    this.#connect(this.#client);
    if (!this.#config.cluster) return;
    this.#slotsTimer = setInterval(() => {
      for (const client of [this.#client, this.#subscriber])
        if (client instanceof Cluster) client.refreshSlotsCache();
    }, SLOTS_REFRESH_MS);
  }

  /** Resolves when commands are taken, however long that takes; with a signal, rejects with its reason when it is aborted before. */
  async ready(signal?: AbortSignal): Promise<void> {
    if (this.#isReady) return;
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const finish = (): void => {
        off();
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      const abort = (): void => {
        off();
        reject(signal?.reason as Error);
      };
      const off = this.onReady(finish);
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  /** Calls the listener whenever Redis answers again; the returned function ends that. */
  onReady(listener: () => void): () => void {
    this.#readyListeners.add(listener);
    return () => this.#readyListeners.delete(listener);
  }

  /** Runs a script; bulk strings come as bytes. */
  async run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly (string | number | Uint8Array)[],
  ): Promise<RedisReply> {
    if (!this.#scripts.has(script.name)) {
      this.#client.defineCommand(script.name, { lua: script.lua, numberOfKeys: script.keyCount });
      this.#scripts.add(script.name);
    }
    // defineCommand adds the method, which no type knows of.
    const commands = this.#client as unknown as Record<string, (...args: unknown[]) => Promise<RedisReply>>;
    return this.#judge(
      async () =>
        commands[`${script.name}Buffer`]?.(...keys, ...args.map(toArgument)) ?? Promise.resolve(null),
    );
  }

  /**
   * Runs a script that changes nothing when it runs twice: once more when the connection was lost meanwhile, or was away for a
   * moment; not when the answer did not come in time.
   */
  async runIdempotent(
    script: RedisScript,
    keys: readonly string[],
    args: readonly (string | number | Uint8Array)[],
  ): Promise<RedisReply> {
    try {
      return await this.run(script, keys, args);
    } catch (error) {
      if (!(error instanceof ServiceError && error.code === 'UNAVAILABLE') || isTimeout(error)) throw error;
      const isBack = await this.ready(AbortSignal.timeout(RETRY_WITHIN_MS)).then(
        () => true,
        () => false,
      );
      if (!isBack) throw error;
      return this.run(script, keys, args);
    }
  }

  /** Runs commands on the client, with failures named as `run` does. */
  do<T>(command: (client: Client) => Promise<T>): Promise<T> {
    return this.#judge(() => command(this.#client));
  }

  /** Runs a command on every master: one, or those of a Cluster. */
  async onEachMaster<T>(command: (client: Redis) => Promise<T>): Promise<T[]> {
    const client = this.#client;
    const masters = client instanceof Cluster ? client.nodes('master') : [client];
    return Promise.all(masters.map((master) => this.#judge(() => command(master))));
  }

  /** Listens to a pub/sub channel, again after each reconnect; what was said meanwhile is lost. */
  subscribe(channel: string, onMessage: (message: string) => void): void {
    this.#subscriber ??= this.#createClient({ isSubscriber: true });
    const subscriber = this.#subscriber;
    // The commands' connection says when Redis is away; this one only has to come back.
    subscriber.on('error', () => undefined);
    subscriber.on('message', (from: string, message: string) => {
      if (from === channel) onMessage(message);
    });
    this.#connect(subscriber);
    this.#pingTimer ??= setInterval(() => {
      if (subscriber instanceof Redis && subscriber.status === 'ready')
        subscriber.ping().catch(() => undefined);
    }, PING_INTERVAL_MS);
    subscriber.subscribe(channel).catch((error: unknown) => {
      if (!this.#isStopped)
        this.#logger.warn({ err: error, channel }, 'Redis does not let us listen; changes are polled');
    });
  }

  /** Closes both connections at once; commands under way fail. */
  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#slotsTimer);
    clearInterval(this.#pingTimer);
    for (const timer of this.#retries) clearTimeout(timer);
    this.#client.disconnect();
    this.#subscriber?.disconnect();
    this.#show(false);
  }

  async #judge<T>(command: () => Promise<T>): Promise<T> {
    try {
      return await command();
    } catch (error) {
      const failure = toServiceError(error);
      this.#metrics.commandFailures.inc({ error: failure.id });
      throw failure;
    }
  }

  /** Connects, and again whenever the client has given up: ioredis does for good when it hears of a fail-over while it connects. */
  #connect(client: Client): void {
    client.on('end', () => {
      if (this.#isStopped) return;
      const timer = setTimeout(() => {
        this.#retries.delete(timer);
        client.connect().catch(() => undefined);
      }, reconnectDelay(1));
      this.#retries.add(timer);
    });
    // Failures are told by the error event; the client goes on trying.
    client.connect().catch(() => undefined);
  }

  #observe(client: Client): void {
    let hasBeenSaid = false;
    client.on('ready', () => {
      if (this.#isStopped) return;
      this.#logger.info({ name: this.#name }, 'Redis answers');
      hasBeenSaid = false;
      this.#show(true);
      for (const listener of [...this.#readyListeners]) listener();
    });
    client.on('close', () => this.#show(false));
    client.on('error', (error: Error) => {
      if (hasBeenSaid || this.#isStopped) return;
      // Once for each time it is away, not once for each attempt.
      hasBeenSaid = true;
      this.#logger.warn(
        { err: error, name: this.#name },
        'Redis does not answer; live sessions go on, new publications wait. Trying again',
      );
    });
  }

  #show(isReady: boolean): void {
    this.#isReady = isReady;
    for (const state of STATES)
      this.#metrics.connections.set({ state }, (state === 'ready') === isReady ? 1 : 0);
  }

  #createClient({ isSubscriber }: { readonly isSubscriber: boolean }): Client {
    const url = parseRedisUrl(this.#config.url);
    if (url === undefined) {
      throw new ServiceError(
        'INVALID_ARGUMENT',
        'REDIS_URL_INVALID',
        'redis.url (REDIS_URL) is not a Redis URL',
      );
    }
    const { sentinel, cluster } = this.#config;
    const common = this.#commonOptions(url, isSubscriber);
    if (cluster) {
      return new Cluster(
        url.addresses.map((address) => ({ ...address })),
        {
          lazyConnect: true,
          enableOfflineQueue: isSubscriber,
          clusterRetryStrategy: reconnectDelay,
          maxRedirections: 6,
          slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
          slotsRefreshInterval: 0,
          redisOptions: common,
        },
      );
    }
    const options: Omit<RedisOptions, 'replyMapping'> = {
      ...common,
      lazyConnect: true,
      db: url.database,
      enableOfflineQueue: isSubscriber,
      retryStrategy: reconnectDelay,
    };
    if (sentinel.name === undefined) return new Redis({ ...options, ...url.addresses[0] });
    return new Redis({
      ...options,
      name: sentinel.name,
      sentinels: url.addresses.map((address) => ({ ...address })),
      sentinelUsername: sentinel.username,
      sentinelPassword: sentinel.password,
      sentinelRetryStrategy: reconnectDelay,
      sentinelCommandTimeout: COMMAND_TIMEOUT_MS,
      failoverDetector: true,
      Connector: OwnedSentinelConnector,
      enableTLSForSentinelMode: url.isTls,
      ...(common.tls === undefined ? {} : { sentinelTLS: common.tls }),
    });
  }

  #commonOptions(url: RedisUrl, isSubscriber: boolean): CommonOptions {
    const { username, password } = this.#config;
    return {
      connectionName: this.#name,
      disableClientInfo: true,
      username: username ?? url.username,
      password: password ?? url.password,
      connectTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: SOCKET_TIMEOUT_MS,
      keepAlive: 10_000,
      // A listener waits for ever; a command is given up, and not sent twice behind the caller's back.
      maxRetriesPerRequest: isSubscriber ? null : 0,
      autoResendUnfulfilledCommands: false,
      ...(isSubscriber ? {} : { commandTimeout: COMMAND_TIMEOUT_MS }),
      // A master that was demoted: connect to whoever is master now.
      reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
      ...(url.isTls ? { tls: this.#tlsOptions() } : {}),
    };
  }

  #tlsOptions(): ConnectionOptions {
    const { caFile, certFile, keyFile, serverName } = this.#config.tls;
    return {
      ...(caFile === undefined ? {} : { ca: readPem(caFile) }),
      ...(certFile === undefined ? {} : { cert: readPem(certFile) }),
      ...(keyFile === undefined ? {} : { key: readPem(keyFile) }),
      ...(serverName === undefined ? {} : { servername: serverName }),
    };
  }
}

/** True when the answer to a command did not come in time. */
function isTimeout({ cause }: ServiceError): boolean {
  return cause instanceof Error && cause.message === 'Command timed out';
}

function reconnectDelay(attempt: number): number {
  return jittered(Math.min(50 * 2 ** Math.min(attempt, 10), MAX_RECONNECT_DELAY_MS));
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ServiceError(
      'INVALID_ARGUMENT',
      'REDIS_TLS_FILE_UNREADABLE',
      `${path} cannot be read: ${(error as Error).message}. Check redis.tls.`,
      { cause: error },
    );
  }
}

function toArgument(value: string | number | Uint8Array): string | number | Buffer {
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value;
}
