import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { reservePorts } from '../loopback-ports.ts';
import { BrokerProcess, javaArguments } from './broker-process.ts';
import { renderBrokerProperties } from './broker-properties.ts';
import type { BrokerPorts, BrokerSecurity } from './broker-properties.ts';
import { fetchKafka } from './distribution.ts';

const FORMAT_DEADLINE_MS = 60_000;
const DESCRIPTION = 'cluster.json';
const run = promisify(execFile);

/** What the folder of a cluster says about it. */
interface Description {
  readonly libs: string;
  readonly isDetached: boolean;
  readonly brokers: readonly BrokerPorts[];
}

/** How to get in: the plain listener, the one behind a test's proxy, TLS with SASL, TLS with certificates. */
export type ListenerName = 'plain' | 'sasl' | 'mutual';

/**
 * A real Apache Kafka of one or three brokers (KRaft) on loopback, on ports that were free, for tests and development.
 *
 * Brokers are numbered from 1. Everything is in one folder, from which another process can go on.
 */
export class KafkaCluster {
  readonly #directory: string;
  readonly #description: Description;

  /** A cluster that was created in this folder. */
  constructor(directory: string) {
    this.#directory = directory;
    this.#description = JSON.parse(readFileSync(join(directory, DESCRIPTION), 'utf8')) as Description;
  }

  /**
   * Formats and starts a cluster in an empty or missing folder; with nothing left behind when that fails.
   *
   * `advertisedPorts`, one for each broker: clients that come through `proxiedPort` are told these. Throws
   * `KafkaUnavailableError` when Java or the jars are missing.
   */
  static async create(options: {
    readonly directory: string;
    readonly brokers: 1 | 3;
    readonly isDetached?: boolean;
    readonly advertisedPorts?: readonly number[];
    readonly security?: BrokerSecurity;
  }): Promise<KafkaCluster> {
    const { directory, security } = options;
    const libs = await fetchKafka();
    mkdirSync(directory, { recursive: true });
    if (readdirSync(directory).length > 0)
      throw new Error(`${directory} is in use: stop the Kafka in it first`);
    const brokers = await choosePorts(options);
    const description: Description = { libs, isDetached: options.isDetached ?? false, brokers };
    writeFileSync(join(directory, DESCRIPTION), JSON.stringify(description));
    const cluster = new KafkaCluster(directory);
    try {
      await cluster.#format(security);
      await Promise.all(brokers.map(({ id }) => cluster.start(id)));
      return cluster;
    } catch (error) {
      await cluster.down();
      throw error;
    }
  }

  /** `host:port` of every broker. */
  addresses(listener: ListenerName = 'plain'): readonly string[] {
    return this.#description.brokers.map((broker) => {
      const port = listener === 'plain' ? broker.port : broker[listener];
      if (port === undefined) throw new Error(`this cluster has no listener ${listener}`);
      return `127.0.0.1:${port}`;
    });
  }

  /** The port behind the one that was to be advertised for a broker. */
  proxiedPort(id: number): number {
    const port = this.#description.brokers.find((broker) => broker.id === id)?.proxied?.port;
    if (port === undefined) throw new Error(`broker ${id} is not behind a proxy`);
    return port;
  }

  /** The process ids, `undefined` for a broker that does not run. */
  get pids(): readonly (number | undefined)[] {
    return this.#description.brokers.map(({ id }) => this.#broker(id).pid);
  }

  /** Starts a broker with the data it has; resolves when it takes requests. */
  start(id: number): Promise<void> {
    return this.#broker(id).start(this.#description);
  }

  /** kill -9. */
  kill(id: number): Promise<void> {
    return this.#broker(id).signal('SIGKILL');
  }

  /** SIGTERM; kill -9 when it takes too long. */
  stop(id: number): Promise<void> {
    return this.#broker(id).signal('SIGTERM');
  }

  /** Ends all brokers and deletes the folder: nobody is interested in an orderly end of what is deleted. */
  async down(): Promise<void> {
    await Promise.all(this.#description.brokers.map(({ id }) => this.kill(id)));
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #broker(id: number): BrokerProcess {
    return new BrokerProcess(join(this.#directory, String(id)));
  }

  async #format(security: BrokerSecurity | undefined): Promise<void> {
    const { brokers, libs } = this.#description;
    const clusterId = randomId();
    const controllers = brokers
      .map(({ id, controller }) => `${id}@127.0.0.1:${controller}:${randomId()}`)
      .join(',');
    const users =
      security === undefined
        ? []
        : ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
            '--add-scram',
            `${mechanism}=[name=${security.username},password=${security.password}]`,
          ]);
    await Promise.all(
      brokers.map(async (broker) => {
        const directory = join(this.#directory, String(broker.id));
        mkdirSync(directory);
        const propertiesFile = join(directory, 'server.properties');
        const properties = renderBrokerProperties(broker, {
          all: brokers,
          dataDirectory: join(directory, 'data'),
          ...(security === undefined ? {} : { security }),
        });
        writeFileSync(propertiesFile, properties, { mode: 0o600 });
        const storage = [
          'format',
          '-t',
          clusterId,
          '-c',
          propertiesFile,
          '--initial-controllers',
          controllers,
        ];
        await run('java', [...javaArguments(libs, 'kafka.tools.StorageTool', ...storage, ...users)], {
          timeout: FORMAT_DEADLINE_MS,
        });
      }),
    );
  }
}

/** 16 bytes in URL-safe base64; not one that begins with '-', which the tool takes for an option. */
function randomId(): string {
  const id = randomBytes(16).toString('base64url');
  return id.startsWith('-') ? randomId() : id;
}

async function choosePorts(options: {
  readonly brokers: number;
  readonly advertisedPorts?: readonly number[];
  readonly security?: BrokerSecurity;
}): Promise<readonly BrokerPorts[]> {
  const free = [...(await reservePorts(options.brokers * 5))];
  const next = (): number => free.pop() ?? 0;
  return Array.from({ length: options.brokers }, (_, index) => {
    const advertised = options.advertisedPorts?.[index];
    return {
      id: index + 1,
      port: next(),
      controller: next(),
      ...(advertised === undefined ? {} : { proxied: { port: next(), advertised } }),
      ...(options.security === undefined ? {} : { sasl: next(), mutual: next() }),
    };
  });
}
