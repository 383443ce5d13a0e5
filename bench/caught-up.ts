/**
 * How long after a kill -9 the output of a session is as near to live as before: of its worker, of its worker beside a standby, of a
 * packager, of its ingest (whose encoder connects again at once). Seen in the rows of both packagers, part by part.
 *
 * Needs bundled services (`pnpm bundle`), ffmpeg with libx264, redis-server, Java and HAProxy, and a machine with nothing else to
 * do. Options: `--help`. Exit codes: 0 measured, 1 failed, 2 wrong options.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { sink } from '@millrace/contracts';
import {
  createLogger,
  GrpcChannel,
  GrpcSegmentIndex,
  grpcTlsSchema,
  MESSAGE_LIMITS,
} from '@millrace/runtime';
import type { Instance } from '../scripts/distributed/deployment.ts';
import { feedFile, ONE_MBPS_FEED } from './lib/feed-file.ts';
import { parseOptions } from './lib/options.ts';
import { poll, publishFile } from './lib/publisher.ts';
import { figure, report } from './lib/report.ts';
import { startSeparateServices } from './lib/separate-services.ts';
import type { SeparateServices } from './lib/separate-services.ts';

const options = parseOptions({
  kills: { long: 7, short: 1, describe: 'kills of each kind' },
});
const STREAM_KEY = 'bench-caught-up';
const RENDITION = '360p';
const TIMESCALE = 90_000;
/** Parts before a kill that say how late output is as a rule. */
const CALM_MS = 8000;
/** Later than before by less than this is as near as before. */
const TOLERANCE_MS = 250;
const DEADLINE_MS = 20_000;
const KINDS = ['worker', 'worker with a standby', 'packager', 'ingest'] as const;
type Kind = (typeof KINDS)[number];

interface Arrival {
  readonly atMs: number;
  /** How long after its last sample was sent the part was there. */
  readonly ageMs: number;
}

/** When each part of a rendition first was at a packager. */
class PartWatch {
  readonly arrivals: Arrival[] = [];
  readonly #seen = new Set<string>();

  async follow(packager: Instance, sessionId: string, signal: AbortSignal): Promise<void> {
    const logger = createLogger({ service: 'bench', level: 'error' });
    const channel = await GrpcChannel.open({
      address: `127.0.0.1:${packager.grpcPort}`,
      ...{ tls: grpcTlsSchema.parse({}), limits: MESSAGE_LIMITS.packager, logger },
    });
    while (!signal.aborted) {
      try {
        const request = { sessionId, withParts: true };
        for await (const { rows } of new GrpcSegmentIndex(channel).watch(request, signal)) this.#note(rows);
      } catch {
        // It was killed, and is started again.
      }
      await delay(100);
    }
    channel.close();
  }

  #note(rows: readonly sink.Row[]): void {
    for (const row of rows.filter(({ renditionId }) => renditionId === RENDITION)) {
      let endTicks = row.baseMediaDecodeTime;
      for (const [index, part] of row.parts.entries()) {
        endTicks += part.durationTicks;
        const key = `${row.k}.${index}`;
        if (this.#seen.has(key)) continue;
        this.#seen.add(key);
        const sentAtMs = (endTicks / TIMESCALE) * 1000 + row.utcOffsetUs / 1000;
        this.arrivals.push({ atMs: Date.now(), ageMs: Date.now() - sentAtMs });
      }
    }
  }
}

async function victim(services: SeparateServices, kind: Kind): Promise<Instance> {
  if (kind === 'packager') {
    const [packager] = services.instances.filter(({ service }) => service === 'packager');
    if (packager === undefined) throw new Error('there is no packager');
    return packager;
  }
  if (kind === 'ingest') return services.busiest('ingest', 'millrace_ingest_publications');
  return services.busiest('transcode-worker', 'millrace_worker_sessions');
}

/** Kills once; seconds until parts are as fresh as before. */
async function measure(services: SeparateServices, kind: Kind): Promise<number> {
  const name = kind === 'worker with a standby' ? 'hot' : 'cold';
  const url = `${services.rtmp}/${STREAM_KEY}-${name}`;
  const path = feedFile(ONE_MBPS_FEED);
  let publisher = publishFile(path, url, { loops: true });
  const stop = new AbortController();
  const publishing = (async () => {
    while (!stop.signal.aborted) {
      await new Promise((resolve) => publisher.child.once('exit', resolve));
      if (!stop.signal.aborted) publisher = publishFile(path, url, { loops: true });
    }
  })();
  try {
    const { id } = await services.session(name);
    const watch = new PartWatch();
    const packagers = services.instances.filter(({ service }) => service === 'packager');
    for (const packager of packagers) void watch.follow(packager, id, stop.signal);
    if (name === 'hot') await services.busiest('transcode-worker', 'millrace_worker_standby_sessions');
    await poll('parts', () => watch.arrivals.length > 2 || undefined);
    await delay(CALM_MS);
    const killed = await victim(services, kind);
    const killedAtMs = Date.now();
    await killed.process.kill();
    const before = watch.arrivals.filter(({ atMs }) => atMs > killedAtMs - CALM_MS / 2 && atMs < killedAtMs);
    const usualMs = Math.max(...before.map(({ ageMs }) => ageMs));
    const caughtUp = await poll(
      `caught up after the ${kind}`,
      () => watch.arrivals.find(({ atMs, ageMs }) => atMs > killedAtMs && ageMs <= usualMs + TOLERANCE_MS),
      { everyMs: 20, deadlineMs: DEADLINE_MS },
    );
    killed.process.start();
    await killed.process.ready();
    return (caughtUp.atMs - killedAtMs) / 1000;
  } finally {
    stop.abort();
    await publisher.stop();
    await publishing;
  }
}

const settings = {
  segmentDuration: 2,
  graceSeconds: 0,
  ladder: [{ name: RENDITION, width: 640, height: 360, bitrateBps: 800_000 }],
};
const services = await startSeparateServices([
  { name: 'cold', streamKey: `${STREAM_KEY}-cold`, settings: { ...settings, graceSeconds: 10 } },
  {
    name: 'hot',
    streamKey: `${STREAM_KEY}-hot`,
    settings: { ...settings, graceSeconds: 10, redundancy: 'hot' },
  },
]);
const measured = new Map<Kind, number[]>(KINDS.map((kind) => [kind, []]));
try {
  for (let kill = 0; kill < options.kills; kill += 1) {
    for (const kind of KINDS) {
      const seconds = await measure(services, kind);
      measured.get(kind)?.push(seconds);
      process.stdout.write(`${kind}: ${seconds.toFixed(2)} s\n`);
    }
  }
} finally {
  await services.stop();
}
const BUDGET_SECONDS = 2.5;
report(
  'caught-up',
  KINDS.map((kind) =>
    figure(`from the kill of a ${kind} to caught up`, measured.get(kind) ?? [], {
      unit: 's',
      ...(kind.startsWith('worker') ? { target: { atMost: BUDGET_SECONDS } } : {}),
    }),
  ),
  {
    isShort: options.isShort,
    notes: {
      source: '640x360p30, 1 Mb/s over RTMP; one rung of 640x360 and audio; SEG 2 s, PT 1 s',
      'caught up': `the first part that is no later than ${TOLERANCE_MS} ms beyond the latest of the 4 s before; it shows when the part is complete, so up to 1 s of it is the part itself`,
    },
  },
);
