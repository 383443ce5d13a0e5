import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { reservePorts } from '../loopback-ports.ts';
import { renderHaproxyConfig } from './haproxy-config.ts';
import type { Backend } from './haproxy-config.ts';
import { ManagedProcess } from './managed-process.ts';

const ROOT = join(import.meta.dirname, '../..');
/** The services that run as processes of their own. */
const SERVICES = ['ingest', 'transcode-worker', 'packager', 'playlist-api'] as const;
export type ServiceName = (typeof SERVICES)[number];
/** Two of what viewers and encoders reach, so that one may go; three workers, so that two are left to share its sessions. */
const DEFAULT_COUNTS: Readonly<Record<ServiceName, number>> = {
  ingest: 2,
  'transcode-worker': 3,
  packager: 2,
  'playlist-api': 2,
};
const PORTS_PER_INSTANCE = 3;

/** What a deployment is made of, and with. */
export interface DeploymentOptions {
  /** Configurations and logs go here; made when it is missing. */
  readonly directory: string;
  /** The settings of Redis. */
  readonly redis: Readonly<Record<string, unknown>>;
  readonly kafkaBrokers: readonly string[];
  readonly adminToken: string;
  /** Where the balancers listen; ports that are 0 or absent are chosen by the system. */
  readonly host?: string;
  readonly rtmpPort?: number;
  readonly httpPort?: number;
  readonly channelFiles?: readonly string[];
  readonly counts?: Partial<Record<ServiceName, number>>;
  readonly logLevel?: 'debug' | 'info' | 'warn' | 'error';
  /** More settings for all instances of a service. */
  readonly settings?: Partial<Record<ServiceName, Readonly<Record<string, unknown>>>>;
  /** More of the environment of an instance, by its name. */
  readonly env?: (name: string) => Readonly<Record<string, string>>;
  /** Where bundles are; the sources run when absent. */
  readonly bundleDirectory?: string;
}

/** One instance of a service. */
export interface Instance {
  readonly name: string;
  readonly service: ServiceName;
  readonly process: ManagedProcess;
  /** Metrics and health. */
  readonly admin: string;
  /** What it serves encoders or viewers on; of a worker nothing. */
  readonly port: number;
  /** What other services reach it on; of a worker nothing. */
  readonly grpcPort: number;
  readonly adminPort: number;
}

/** The services as separate processes behind HAProxy, on one machine. */
export interface Deployment {
  /** `rtmp://host:port/live`, through the balancer. */
  readonly rtmp: string;
  /** Through the balancer. */
  readonly http: string;
  readonly instances: readonly Instance[];
  readonly balancer: ManagedProcess;
  /** Ends everything, viewers last. */
  stop(): Promise<void>;
}

/** Starts the services and HAProxy, and waits until all are ready. Ends what has been started when one is not. */
export async function startDeployment(options: DeploymentOptions): Promise<Deployment> {
  const deployment = await createDeployment(options);
  try {
    await deployment.start();
  } catch (error) {
    await deployment.stop();
    throw error;
  }
  return deployment;
}

/**
 * Makes the services and HAProxy; `start` starts them and waits until all are ready.
 *
 * Each instance has its ports for good: one that is killed and started again is found where it was.
 */
export async function createDeployment(
  options: DeploymentOptions,
): Promise<Deployment & { start(signal?: AbortSignal): Promise<void> }> {
  mkdirSync(options.directory, { recursive: true, mode: 0o700 });
  const counts = { ...DEFAULT_COUNTS, ...options.counts };
  const total = SERVICES.reduce((sum, service) => sum + counts[service], 0);
  const [rtmpPort = 0, httpPort = 0, ...ports] = await reservePorts(2 + PORTS_PER_INSTANCE * total);
  const plan = SERVICES.flatMap((service) =>
    Array.from({ length: counts[service] }, (_, index) => ({
      ...{ service, name: `${shortNameOf(service)}-${index + 1}` },
      ...{ port: take(ports), grpcPort: take(ports), adminPort: take(ports) },
    })),
  );
  const instances = plan.map((planned) => createInstance(planned, plan, options));
  const host = options.host ?? '127.0.0.1';
  const addresses = { rtmpPort: options.rtmpPort || rtmpPort, httpPort: options.httpPort || httpPort };
  const balancer = createBalancer(instances, { host, ...addresses }, options.directory);
  const stop = async (): Promise<void> => {
    await balancer.stop();
    for (const service of ['ingest', 'transcode-worker', 'playlist-api', 'packager'] as const) {
      const own = instances.filter((instance) => instance.service === service);
      await Promise.all(own.map((instance) => instance.process.stop()));
    }
  };
  const start = async (signal?: AbortSignal): Promise<void> => {
    for (const instance of instances) instance.process.start();
    await Promise.all(instances.map((instance) => instance.process.ready(signal)));
    balancer.start();
    await balancer.ready(signal);
  };
  return {
    rtmp: `rtmp://${host}:${addresses.rtmpPort}/live`,
    http: `http://${host}:${addresses.httpPort}`,
    ...{ instances, balancer, start, stop },
  };
}

interface Planned {
  readonly service: ServiceName;
  readonly name: string;
  readonly port: number;
  readonly grpcPort: number;
  readonly adminPort: number;
}

function createInstance(planned: Planned, plan: readonly Planned[], options: DeploymentOptions): Instance {
  const { service, name, port, grpcPort, adminPort } = planned;
  const configPath = join(options.directory, `${name}.yaml`);
  // JSON is YAML.
  writeFileSync(configPath, JSON.stringify(settingsOf(planned, plan, options), undefined, 2), {
    mode: 0o600,
  });
  const { bundleDirectory } = options;
  const main =
    bundleDirectory === undefined
      ? join(ROOT, 'services', service, 'src/main.ts')
      : join(bundleDirectory, service, 'main.mjs');
  return {
    ...{ name, service, port, grpcPort, adminPort, admin: `http://127.0.0.1:${adminPort}` },
    process: new ManagedProcess({
      ...{ name, program: process.execPath, args: [main, '--config', configPath], cwd: ROOT },
      env: {
        ...process.env,
        NODE_OPTIONS: '',
        MILLRACE_ADMIN_TOKEN: options.adminToken,
        ...options.env?.(name),
      },
      logPath: join(options.directory, `${name}.log`),
      readyUrl: `http://127.0.0.1:${adminPort}/readyz`,
    }),
  };
}

function settingsOf(
  { service, name, port, grpcPort, adminPort }: Planned,
  plan: readonly Planned[],
  options: DeploymentOptions,
): unknown {
  const all = {
    instance: name,
    redis: options.redis,
    kafka: { brokers: options.kafkaBrokers },
    admin: { port: adminPort },
    logLevel: options.logLevel ?? 'info',
  };
  const more = options.settings?.[service] ?? {};
  switch (service) {
    case 'ingest': {
      const controls = plan.filter((other) => other.service === 'playlist-api');
      const address = `ipv4:${controls.map((other) => `127.0.0.1:${other.grpcPort}`).join(',')}`;
      const rtmp = { port, proxyProtocol: { trustedAddresses: ['127.0.0.0/8'] } };
      return { ...all, rtmp, grpc: { port: grpcPort }, control: { address }, ...more };
    }
    case 'transcode-worker':
      return { ...all, ...more };
    case 'packager':
      return { ...all, http: { port }, grpc: { port: grpcPort }, ...more };
    case 'playlist-api': {
      const rtmp = { publicPort: options.rtmpPort };
      const { channelFiles = [] } = options;
      return { ...all, http: { port }, grpc: { port: grpcPort }, rtmp, channelFiles, ...more };
    }
  }
}

function createBalancer(
  instances: readonly Instance[],
  listen: {
    readonly host: string;
    readonly rtmpPort: number;
    readonly httpPort: number;
  },
  directory: string,
): ManagedProcess {
  const of = (service: ServiceName): readonly Backend[] =>
    instances.filter((instance) => instance.service === service);
  const config = renderHaproxyConfig({
    ...listen,
    ...{ ingests: of('ingest'), playlistApis: of('playlist-api'), packagers: of('packager') },
  });
  const configPath = join(directory, 'haproxy.cfg');
  writeFileSync(configPath, config, { mode: 0o600 });
  return new ManagedProcess({
    ...{ name: 'haproxy', program: 'haproxy', args: ['-db', '-f', configPath], cwd: directory },
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` },
    logPath: join(directory, 'haproxy.log'),
    readyUrl: `http://${listen.host === '0.0.0.0' ? '127.0.0.1' : listen.host}:${listen.httpPort}/v1/live`,
  });
}

function shortNameOf(service: ServiceName): string {
  return service === 'transcode-worker' ? 'worker' : service;
}

function take(ports: number[]): number {
  const port = ports.pop();
  if (port === undefined) throw new Error('There are fewer ports than instances');
  return port;
}
