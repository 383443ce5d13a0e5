/**
 * What sessions cost the separate services, and how soon a worker has them, from 10 to 200 at once. Nothing is encoded: the only
 * rung is `source`, so what is counted is the work of the services themselves.
 *
 * Needs bundled services (`pnpm bundle`), ffmpeg, redis-server, Java, HAProxy and taskset (util-linux), and a machine with nothing
 * else to do. Options: `--help`. Exit codes: 0 measured, 1 failed, 2 wrong options.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { createLogger, eventBusConfigSchema, KafkaEventBus } from '@millrace/runtime';
import { Registry } from 'prom-client';
import { feedFile } from './lib/feed-file.ts';
import type { FeedSpec } from './lib/feed-file.ts';
import { cpuOf, rssOf } from './lib/measured-process.ts';
import { parseOptions } from './lib/options.ts';
import { PublicationGenerator, streamKeyOf } from './lib/publication-generator.ts';
import { poll } from './lib/publisher.ts';
import { figure, report } from './lib/report.ts';
import { readGauge } from './lib/read-gauge.ts';
import { startSeparateServices } from './lib/separate-services.ts';
import type { SeparateServices } from './lib/separate-services.ts';

const options = parseOptions({
  runs: { long: 3, short: 1, describe: 'runs of each kind' },
  sessions: { long: 200, short: 20, describe: 'most sessions' },
  seconds: { long: 15, short: 4, describe: 'seconds that are measured at each number of sessions' },
});
/** Small enough for the generator, the balancer and all services to have two cores in common. */
const FEED: FeedSpec = {
  ...{ width: 426, height: 240, frameRate: 30, keyframeSeconds: 2, seconds: 8 },
  ...{ videoBps: 200_000, audioBps: 64_000 },
};
const KEY_PREFIX = 'bench-sessions';
const SIZES = [10, 50, 100, 200].filter((size) => size < options.sessions).concat(options.sessions);
/** Between one encoder and the next, where they do not come all at once. */
const ARRIVAL_MS = 100;
/** Until the windows of new sessions are full: six segments of 2 s. */
const FILL_MS = options.isShort ? 2000 : 16_000;
const SERVICES = ['ingest', 'transcode-worker', 'packager', 'playlist-api'] as const;

/** How long sessions waited, in seconds: since their encoder began to publish, and since what is to be made of it was known. */
interface Waits {
  readonly sincePublish: readonly number[];
  readonly sincePrepared: readonly number[];
}

/** When encoders began to publish, when a worker could begin and when one had the session, by channel, as the events say. */
class Claims {
  readonly startedMs = new Map<string, number>();
  readonly preparedMs = new Map<string, number>();
  readonly takenMs = new Map<string, number>();
  readonly #bus: KafkaEventBus;

  constructor(brokers: readonly string[]) {
    const config = eventBusConfigSchema.parse({ kafka: { brokers }, events: { manageTopics: false } });
    const logger = createLogger({ service: 'bench', level: 'error' });
    this.#bus = new KafkaEventBus({
      ...config,
      ...{ service: 'bench', instance: String(process.pid), logger, registry: new Registry() },
    });
    this.#bus.subscribe(({ event, timeMs }) => {
      if (event.type === 'PublicationStarted') this.startedMs.set(event.data.channel, timeMs);
      if (event.type === 'SessionPrepared') this.preparedMs.set(event.data.channel, timeMs);
      if (event.type === 'LeaseTaken') this.takenMs.set(event.data.channel, timeMs);
    });
    this.#bus.start();
  }

  listening(): Promise<void> {
    return this.#bus.listening;
  }

  /** How long each of so many sessions waited, once all have a worker. */
  async waits(sessions: number): Promise<Waits> {
    const kinds = [this.startedMs, this.preparedMs, this.takenMs];
    const all = (): true | undefined => kinds.every(({ size }) => size >= sessions) || undefined;
    await poll(`events of ${sessions} claims`, all, { deadlineMs: 120_000 });
    const since = (fromMs: ReadonlyMap<string, number>): number[] =>
      [...this.takenMs].map(([channel, takenMs]) => (takenMs - (fromMs.get(channel) ?? Number.NaN)) / 1000);
    return { sincePublish: since(this.startedMs), sincePrepared: since(this.preparedMs) };
  }

  /** Claims a second between the first session that could be claimed and the last claim. */
  perSecond(): number {
    const spanMs = Math.max(...this.takenMs.values()) - Math.min(...this.preparedMs.values());
    return this.takenMs.size / (spanMs / 1000);
  }

  stop(): Promise<void> {
    return this.#bus.stop(1000);
  }
}

/** CPU seconds and resident bytes of all instances of each service. */
interface Usage {
  readonly cpuSeconds: ReadonlyMap<string, number>;
  readonly bytes: ReadonlyMap<string, number>;
}

function readUsage({ instances }: SeparateServices): Usage {
  const sum = (read: (pid: number) => number): ReadonlyMap<string, number> => {
    const totals = new Map<string, number>();
    for (const { service, process: own } of instances)
      totals.set(service, (totals.get(service) ?? 0) + read(own.pid ?? 0));
    return totals;
  };
  return { cpuSeconds: sum((pid) => cpuOf(pid).own), bytes: sum(rssOf) };
}

async function countSessions({ instances }: SeparateServices): Promise<number> {
  const workers = instances.filter(({ service }) => service === 'transcode-worker');
  const counts = await Promise.all(workers.map((worker) => readGauge(worker, 'millrace_worker_sessions')));
  return counts.reduce((sum, count) => sum + count, 0);
}

interface Running {
  readonly services: SeparateServices;
  readonly generator: PublicationGenerator;
  readonly claims: Claims;
}

async function run<T>(measure: (running: Running) => Promise<T>): Promise<T> {
  const services = await startSeparateServices(
    Array.from({ length: options.sessions }, (_, index) => ({
      name: `c${index}`,
      streamKey: streamKeyOf(KEY_PREFIX, index),
      settings: { ladder: ['source'], segmentDuration: 2 },
    })),
    {
      settings: {
        ingest: { limits: { connectionsPerAddress: options.sessions + 100 } },
        'transcode-worker': { capacityUnits: options.sessions },
      },
    },
  );
  const claims = new Claims(services.dependencies.kafkaBrokers);
  const generator = new PublicationGenerator({
    ...{ port: Number(new URL(services.rtmp).port), keyPrefix: KEY_PREFIX },
    ...{ feedPath: feedFile(FEED), loopMs: FEED.seconds * 1000 },
  });
  try {
    await claims.listening();
    return await measure({ services, generator, claims });
  } finally {
    await generator.stop();
    await claims.stop();
    await services.stop();
  }
}

/** Adds encoders one by one until there are so many, and waits until each has a worker. */
async function arrive({ services, generator }: Running, from: number, to: number): Promise<void> {
  for (let count = from + 1; count <= to; count += 1) {
    const next = delay(ARRIVAL_MS);
    await generator.growTo(count);
    await next;
  }
  await poll(`${to} sessions`, async () => (await countSessions(services)) >= to || undefined);
}

/** What each service uses at one number of sessions. */
interface Step {
  readonly sessions: number;
  /** Cores, by service. */
  readonly cores: ReadonlyMap<string, number>;
  readonly bytes: ReadonlyMap<string, number>;
}

async function measureStep(services: SeparateServices, sessions: number): Promise<Step> {
  const before = readUsage(services);
  await delay(options.seconds * 1000);
  const after = readUsage(services);
  const cores = SERVICES.map((service): [string, number] => {
    const used = (after.cpuSeconds.get(service) ?? 0) - (before.cpuSeconds.get(service) ?? 0);
    return [service, used / options.seconds];
  });
  return { sessions, cores: new Map(cores), bytes: after.bytes };
}

/** Grows step by step; what each step used, and how long each session waited for its worker. */
function grow(): Promise<{ readonly steps: readonly Step[]; readonly waits: Waits }> {
  return run(async (running) => {
    const steps = [await measureStep(running.services, 0)];
    let sessions = 0;
    for (const size of SIZES) {
      await arrive(running, sessions, size);
      sessions = size;
      await delay(FILL_MS);
      steps.push(await measureStep(running.services, size));
    }
    return { steps, waits: await running.claims.waits(sessions) };
  });
}

/** All encoders at once. */
function burst(): Promise<{ readonly perSecond: number; readonly waits: Waits }> {
  return run(async ({ generator, claims }) => {
    await generator.growTo(options.sessions);
    const waits = await claims.waits(options.sessions);
    return { perSecond: claims.perSecond(), waits };
  });
}

/** One by one while Kafka is stopped; its events say afterwards how long each session waited. */
function growWithoutKafka(): Promise<Waits> {
  return run(async (running) => {
    const { kafka } = running.services.dependencies;
    await kafka?.stop(1);
    await arrive(running, 0, options.sessions);
    await kafka?.start(1);
    return running.claims.waits(options.sessions);
  });
}

function p99(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length * 0.99) - 1] ?? Number.NaN;
}

async function repeat<T>(what: string, measure: () => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let index = 0; index < options.runs; index += 1) {
    results.push(await measure());
    process.stdout.write(`${what}: ${index + 1} of ${options.runs}\n`);
  }
  return results;
}

const grown = await repeat('one by one', grow);
const bursts = await repeat('all at once', burst);
const withoutKafka = await repeat('Kafka stopped', growWithoutKafka);

/** Of one session: what a service uses at a number of sessions beyond what it uses without any, run by run. */
function perSession(service: string, sessions: number, of: 'cores' | 'bytes'): number[] {
  return grown.map(({ steps }) => {
    const at = (size: number): number =>
      steps.find((step) => step.sessions === size)?.[of].get(service) ?? Number.NaN;
    return (at(sessions) - at(0)) / sessions;
  });
}
const largest = options.sessions;
const seconds = { unit: 's', digits: 3 };
report(
  'sessions',
  [
    figure(
      'from a session that can be worked for to its claim, p99',
      grown.map(({ waits }) => p99(waits.sincePrepared)),
      { ...seconds, target: { atMost: 0.2 } },
    ),
    figure(
      'the same with Kafka stopped',
      withoutKafka.map(({ sincePrepared }) => p99(sincePrepared)),
      { ...seconds, target: { atMost: 1.2 } },
    ),
    figure(
      `the same with ${largest} encoders at once`,
      bursts.map(({ waits }) => p99(waits.sincePrepared)),
      seconds,
    ),
    figure(
      'from publish to claim, p99',
      grown.map(({ waits }) => p99(waits.sincePublish)),
      seconds,
    ),
    figure(
      `claims a second with ${largest} encoders at once`,
      bursts.map(({ perSecond }) => perSecond),
      { digits: 0 },
    ),
    ...SERVICES.flatMap((service) =>
      SIZES.map((size) =>
        figure(
          `${service}: CPU of a session without encoding, of ${size}`,
          perSession(service, size, 'cores').map((cores) => cores * 1000),
          { digits: 2, unit: 'ms/s' },
        ),
      ),
    ),
    ...SERVICES.flatMap((service) =>
      SIZES.map((size) =>
        figure(
          `${service}: memory of a session, of ${size}`,
          perSession(service, size, 'bytes').map((bytes) => bytes / 1e6),
          { digits: 2, unit: 'MB' },
        ),
      ),
    ),
  ],
  {
    isShort: options.isShort,
    notes: {
      source:
        '426x240p30, 264 kb/s over RTMP through HAProxy; `source` is the only rung; SEG 2 s, window 6 segments',
      services: '2 ingests, 3 workers, 2 packagers, 2 playlist-apis; each session is at both packagers',
      'CPU and memory': 'beyond what the services use without a session, over the number of sessions',
      'can be worked for':
        'what is to be made of it is known: where `source` is a rung, with the second IDR, 2 s after the first',
      arrivals: `one encoder each ${ARRIVAL_MS} ms, but for those at once`,
    },
  },
);
