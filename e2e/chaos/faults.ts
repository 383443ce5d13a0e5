import { execFile, spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Cluster, Instance } from '../verbs/deployment.ts';

/** Something that can happen to a running deployment. */
export interface Fault {
  readonly name: string;
  /** What it happens to. */
  readonly target: string;
  /** True when the encoder of a stream has to connect anew, which viewers see as a discontinuity. */
  readonly endsPublication: boolean;
  /** Does it, and undoes it: afterwards everything runs again, if not yet in step. */
  readonly happen: (signal: AbortSignal) => Promise<void>;
}

/** How long something is away: shorter and longer than a lease lives. */
const AWAY_MS = [1000, 6000] as const;
const DEPENDENCY_AWAY_MS = 8000;

/** The same numbers in the same order for a seed (mulberry32), from 0 to below 1. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** True where the connections of others may be cut: by root, on Linux. */
export function canCutConnections(): boolean {
  // Nobody is connected to port 1.
  return spawnSync('ss', ['-K', 'sport', '=', ':1']).status === 0;
}

/** Every fault that one random number can choose; which instance it hits is drawn with it. */
export function faultsOf(cluster: Cluster): readonly Fault[] {
  return [...processFaults(cluster), ...(canCutConnections() ? cutFaults(cluster) : [])];
}

function processFaults(cluster: Cluster): readonly Fault[] {
  const { redis, kafka } = cluster.dependencies;
  return [
    ...cluster.deployment.instances.flatMap((instance) => instanceFaults(instance)),
    {
      ...{ name: 'Redis is killed and comes back empty', target: 'Redis' },
      endsPublication: false,
      async happen(signal) {
        await redis?.kill();
        await rest(DEPENDENCY_AWAY_MS, signal);
        await redis?.start();
      },
    },
    {
      ...{ name: 'Redis stands still', target: 'Redis' },
      endsPublication: false,
      async happen(signal) {
        redis?.pause();
        await rest(DEPENDENCY_AWAY_MS, signal);
        redis?.resume();
      },
    },
    {
      ...{ name: 'Kafka is killed', target: 'Kafka' },
      endsPublication: false,
      async happen(signal) {
        await kafka?.kill(1);
        await rest(DEPENDENCY_AWAY_MS, signal);
        await kafka?.start(1);
      },
    },
  ];
}

/** Every connection to a port is cut, without the processes at its ends. */
function cutFaults({ deployment, dependencies }: Cluster): readonly Fault[] {
  const ports = (urls: readonly string[]): number[] => urls.map((url) => Number(url.split(':').at(-1)));
  const cut = (target: string, cutPorts: readonly number[], endsPublication = false): Fault => ({
    ...{ name: `the connections to ${target} are cut`, target, endsPublication },
    happen: async () => {
      for (const port of cutPorts) await run('ss', ['-K', 'dport', '=', `:${port}`]);
    },
  });
  return [
    cut('Redis', ports([dependencies.redisUrl])),
    cut('Kafka', ports(dependencies.kafkaBrokers)),
    ...deployment.instances.flatMap(({ name, service, port, grpcPort }) => {
      if (service === 'transcode-worker') return [];
      // Encoders and workers are connected to an ingest, viewers and workers to a packager.
      if (service !== 'ingest') return [cut(name, [port, grpcPort])];
      return [cut(name, [port], true), cut(`${name}’s relay`, [grpcPort])];
    }),
  ];
}

const run = promisify(execFile);

function instanceFaults(instance: Instance): readonly Fault[] {
  const { name, service, process: own } = instance;
  const endsPublication = service === 'ingest';
  const again = async (): Promise<void> => {
    own.start();
    await own.ready();
  };
  const killed: Fault = {
    ...{ name: `${name} is killed`, target: name, endsPublication },
    async happen() {
      await own.kill();
      await again();
    },
  };
  const restarted: Fault = {
    ...{ name: `${name} is told to end`, target: name, endsPublication },
    async happen() {
      own.signal('SIGTERM');
      await own.ended(60_000);
      await again();
    },
  };
  const paused = AWAY_MS.map((ms): Fault => ({
    // An encoder that is not read for seconds is not lost, but late: it gets a period of its own.
    ...{ name: `${name} stands still for ${ms / 1000} s`, target: name, endsPublication },
    async happen(signal) {
      own.signal('SIGSTOP');
      await rest(ms, signal);
      own.signal('SIGCONT');
    },
  }));
  return [killed, restarted, ...paused];
}

async function rest(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}
