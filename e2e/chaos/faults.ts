import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster, Instance } from '../verbs/deployment.ts';

/** Something that can happen to a running deployment. */
export interface Fault {
  readonly name: string;
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

/** Every fault that one random number can choose; which instance it hits is drawn with it. */
export function faultsOf(cluster: Cluster): readonly Fault[] {
  const { redis, kafka } = cluster.dependencies;
  return [
    ...cluster.deployment.instances.flatMap((instance) => instanceFaults(instance)),
    {
      name: 'Redis is killed and comes back empty',
      endsPublication: false,
      async happen(signal) {
        await redis?.kill();
        await rest(DEPENDENCY_AWAY_MS, signal);
        await redis?.start();
      },
    },
    {
      name: 'Redis stands still',
      endsPublication: false,
      async happen(signal) {
        redis?.pause();
        await rest(DEPENDENCY_AWAY_MS, signal);
        redis?.resume();
      },
    },
    {
      name: 'Kafka is killed',
      endsPublication: false,
      async happen(signal) {
        await kafka?.kill(1);
        await rest(DEPENDENCY_AWAY_MS, signal);
        await kafka?.start(1);
      },
    },
  ];
}

function instanceFaults(instance: Instance): readonly Fault[] {
  const { name, service, process: own } = instance;
  const endsPublication = service === 'ingest';
  const again = async (): Promise<void> => {
    own.start();
    await own.ready();
  };
  const killed: Fault = {
    ...{ name: `${name} is killed`, endsPublication },
    async happen() {
      await own.kill();
      await again();
    },
  };
  const restarted: Fault = {
    ...{ name: `${name} is told to end`, endsPublication },
    async happen() {
      own.signal('SIGTERM');
      await own.ended(60_000);
      await again();
    },
  };
  const paused = AWAY_MS.map((ms): Fault => ({
    // An encoder that is not read for seconds is not lost, but late: it gets a period of its own.
    ...{ name: `${name} stands still for ${ms / 1000} s`, endsPublication },
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
