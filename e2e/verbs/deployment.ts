import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { startDependencies } from '../../scripts/distributed/dependencies.ts';
import type { Dependencies } from '../../scripts/distributed/dependencies.ts';
import { startDeployment } from '../../scripts/distributed/deployment.ts';
import type {
  Deployment,
  DeploymentOptions,
  Instance,
  ServiceName,
} from '../../scripts/distributed/deployment.ts';
import { temporaryDirectory } from './children.ts';
import type { Endpoint } from './millrace.ts';
import { waitFor } from './wait-for.ts';

export type { Instance } from '../../scripts/distributed/deployment.ts';

/** Millrace as separate services on a Redis and a Kafka of its own. */
export interface Cluster extends Endpoint {
  readonly deployment: Deployment;
  readonly dependencies: Dependencies;
  /** All instances of a service. */
  readonly of: (service: ServiceName) => readonly Instance[];
  /** The end of what each process wrote. */
  readonly logs: () => string;
  readonly stop: () => Promise<void>;
}

const SHOWN_LINES = 40;
/** A worker that encodes fast, and on a busy machine rather comes late than leaves a rung out: a gap here is a loss. */
const QUICK_WORKER = {
  ffmpeg: { encoderThreads: 1, x264Preset: 'ultrafast' },
  lateness: { shedAboveSegments: 10 },
};

/**
 * Starts the services with some settings, and waits until all are ready: on a Redis and a Kafka of their own, but for what `env`
 * names with `REDIS_URL` and `KAFKA_BROKERS`.
 */
export async function startCluster(
  options: Partial<DeploymentOptions> = {},
  env: NodeJS.ProcessEnv = {},
): Promise<Cluster> {
  const directory = temporaryDirectory('cluster');
  const adminToken = randomBytes(16).toString('hex');
  const dependencies = await startDependencies(directory, env);
  try {
    const deployment = await startDeployment({
      directory: join(directory, 'services'),
      ...{ redis: { url: dependencies.redisUrl }, kafkaBrokers: dependencies.kafkaBrokers, adminToken },
      settings: { 'transcode-worker': QUICK_WORKER },
      ...options,
    });
    return {
      ...{ rtmp: deployment.rtmp, http: deployment.http, adminToken, deployment, dependencies },
      of: (service) => deployment.instances.filter((instance) => instance.service === service),
      logs: () => deployment.instances.map(tailOf).join('\n'),
      stop: async () => {
        await deployment.stop();
        await dependencies.stop();
      },
    };
  } catch (error) {
    await dependencies.stop();
    throw error;
  }
}

/** Runs a test; when it fails, the ends of the logs go with the error. */
export async function withLogs(cluster: Cluster, body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    process.stderr.write(`\n${cluster.logs()}\n`);
    throw error;
  }
}

function tailOf({ name, process: own }: Instance): string {
  const lines = own.log().trim().split('\n').slice(-SHOWN_LINES);
  return `--- ${name}\n${lines.join('\n')}`;
}

/** All samples of one metric of an instance: labels as written, and value. */
export async function metricOf(
  instance: Instance,
  name: string,
): Promise<readonly { readonly labels: string; readonly value: number }[]> {
  const response = await fetch(`${instance.admin}/metrics`, { signal: AbortSignal.timeout(10_000) });
  const text = await response.text();
  return text.split('\n').flatMap((line) => {
    const match = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    return match?.[1] === name ? [{ labels: match[2] ?? '', value: Number(match[3]) }] : [];
  });
}

/** The one of several instances that has some of what a gauge counts: the worker that works, the ingest that publishes. */
export async function busiest(instances: readonly Instance[], gauge: string): Promise<Instance> {
  return waitFor(`an instance with ${gauge}`, async () => {
    for (const instance of instances) {
      if (instance.process.pid === undefined) continue;
      const samples = await metricOf(instance, gauge).catch(() => []);
      if (samples.reduce((sum, { value }) => sum + value, 0) > 0) return instance;
    }
    return undefined;
  });
}

/** Kills an instance as a crash would. */
export function kill(instance: Instance): Promise<void> {
  return instance.process.kill();
}

/** Starts an instance again, and waits until it is ready. */
export async function restart(instance: Instance): Promise<void> {
  instance.process.start();
  await instance.process.ready();
}
