import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDependencies } from '../../scripts/distributed/dependencies.ts';
import type { Dependencies } from '../../scripts/distributed/dependencies.ts';
import { startDeployment } from '../../scripts/distributed/deployment.ts';
import type { Deployment, DeploymentOptions, Instance } from '../../scripts/distributed/deployment.ts';
import { poll } from './publisher.ts';
import { readGauge } from './read-gauge.ts';
import { writeChannelFiles } from './standalone.ts';
import type { BenchChannel } from './standalone.ts';

const BUNDLES = join(import.meta.dirname, '../../dist');

/** Millrace as separate services, as bundled for production, on a Redis and a Kafka of its own. */
export interface SeparateServices extends Deployment {
  readonly dependencies: Dependencies;
  /** The session of a channel, once it is live. */
  session(channel: string): Promise<LiveSession>;
  /** The instance with some of what a gauge counts. */
  busiest(service: Instance['service'], gauge: string): Promise<Instance>;
}

/** What the API says of a session. */
interface LiveSession {
  readonly id: string;
  readonly worker?: string;
}

/** Starts the services, with channels from a file; `stop` ends and removes everything. */
export async function startSeparateServices(
  channels: readonly BenchChannel[],
  options: Partial<DeploymentOptions> = {},
): Promise<SeparateServices> {
  if (!existsSync(join(BUNDLES, 'ingest/main.mjs')))
    throw new Error('dist is missing: run "pnpm bundle" first');
  const directory = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  const adminToken = randomBytes(16).toString('hex');
  const dependencies = await startDependencies(directory, {});
  const end = async (): Promise<void> => {
    await dependencies.stop();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const deployment = await startDeployment({
      directory: join(directory, 'services'),
      ...{ redis: { url: dependencies.redisUrl }, kafkaBrokers: dependencies.kafkaBrokers, adminToken },
      ...{ channelFiles: writeChannelFiles(directory, channels), bundleDirectory: BUNDLES, logLevel: 'warn' },
      ...options,
    });
    return {
      ...deployment,
      dependencies,
      session: (channel) => liveSession(deployment.http, adminToken, channel),
      busiest: (service, gauge) =>
        poll(`an instance of ${service} with ${gauge}`, () => busiest(deployment, service, gauge)),
      stop: async () => {
        await deployment.stop();
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}

function liveSession(http: string, adminToken: string, channel: string): Promise<LiveSession> {
  return poll(`a session of ${channel}`, async () => {
    const response = await fetch(`${http}/v1/sessions?channel=${channel}`, {
      headers: { authorization: `Bearer ${adminToken}` },
    });
    const { items = [] } = (await response.json()) as {
      items?: (LiveSession & { readonly state: string; readonly channel: string })[];
    };
    return items.find((item) => item.channel === channel && item.state === 'live');
  });
}

async function busiest(
  { instances }: Deployment,
  service: Instance['service'],
  gauge: string,
): Promise<Instance | undefined> {
  for (const instance of instances.filter((other) => other.service === service))
    if ((await readGauge(instance, gauge)) > 0) return instance;
  return undefined;
}
