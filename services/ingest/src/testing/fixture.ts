import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { control, relay, session } from '@millrace/contracts';
import type { MillraceEvent } from '@millrace/contracts';
import { createEventEmitter, createLogger, MemoryEventBus, MemorySessionStore } from '@millrace/runtime';
import type { Control } from '@millrace/runtime';
import { Registry } from 'prom-client';
import { startIngest } from '../app.ts';
import type { RunningIngest } from '../app.ts';
import { ingestConfigSchema } from '../config.ts';
import type { IngestConfig } from '../config.ts';

/** The stream keys of the fixture's channels. */
export function keyOf(channel: string, role: 'primary' | 'backup' = 'primary'): string {
  return role === 'primary' ? `${channel}-secret` : `${channel}-backup-secret`;
}

/** An ingest on a port of its own with everything around it in memory. */
export interface IngestFixture {
  readonly ingest: RunningIngest;
  readonly port: number;
  readonly store: MemorySessionStore;
  readonly bus: MemoryEventBus;
  readonly events: readonly MillraceEvent[];
  /** Everything that was logged. */
  readonly log: () => string;
  /** A counter or gauge's value. */
  readonly metric: (name: string, labels?: Readonly<Record<string, string>>) => Promise<number>;
  /** Resolves with the first event that fits. */
  readonly waitForEvent: (fits: (event: MillraceEvent) => boolean) => Promise<MillraceEvent>;
  readonly stop: () => Promise<void>;
}

/** Starts the fixture; `channel` changes every channel, `limits` and `ring` the configuration. */
export async function startFixture(
  options: {
    readonly channel?: Partial<session.Channel>;
    readonly limits?: Partial<IngestConfig['limits']>;
    readonly ring?: Partial<IngestConfig['ring']>;
  } = {},
): Promise<IngestFixture> {
  const destination = new PassThrough();
  let log = '';
  destination.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const logger = createLogger({ service: 'ingest', level: 'debug', destination });
  const registry = new Registry();
  const store = new MemorySessionStore({ clock: Date.now });
  const bus = new MemoryEventBus({ logger, registry });
  const events: MillraceEvent[] = [];
  const waiters = new Set<() => void>();
  bus.subscribe(({ event }) => {
    events.push(event);
    for (const waiter of waiters) waiter();
  });
  const config = ingestConfigSchema.parse({
    rtmp: { port: 0 },
    limits: options.limits ?? {},
    ring: options.ring ?? {},
  });
  const ingest = await startIngest(config, {
    sessions: store,
    control: controlOf(options.channel ?? {}),
    bus,
    events: createEventEmitter(bus, { service: 'ingest', instance: 'test', clock: Date.now }),
    logger,
    registry,
    clock: Date.now,
    address: Promise.resolve(''),
    packagers: () => [],
  });
  return {
    ingest,
    port: ingest.rtmpAddress.port,
    store,
    bus,
    events,
    log: () => log,
    async metric(name, labels = {}) {
      const values = (await registry.getSingleMetric(name)?.get())?.values ?? [];
      return values
        .filter((value) => Object.entries(labels).every(([label, wanted]) => value.labels[label] === wanted))
        .reduce((sum, value) => sum + value.value, 0);
    },
    async waitForEvent(fits) {
      const deadline = AbortSignal.timeout(10_000);
      for (;;) {
        const found = events.find(fits);
        if (found !== undefined) return found;
        if (deadline.aborted)
          throw new Error(`no such event; there were ${events.map((event) => event.type).join(', ')}`);
        await new Promise<void>((resolve) => {
          const wake = (): void => {
            waiters.delete(wake);
            deadline.removeEventListener('abort', wake);
            resolve();
          };
          waiters.add(wake);
          deadline.addEventListener('abort', wake);
        });
      }
    },
    stop: () => ingest.stop(1000),
  };
}

/** Grants what `keyOf` gives, refuses everything else. */
function controlOf(change: Partial<session.Channel>): Control {
  const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();
  const channels = ['news', 'sport', 'music'];
  return {
    async authorizePublish({ streamKeySha256 }) {
      const hasKey = (channel: string, role: 'primary' | 'backup'): boolean =>
        sha256(keyOf(channel, role)).equals(streamKeySha256);
      const name = channels.find((channel) => hasKey(channel, 'primary') || hasKey(channel, 'backup'));
      const isBackup = name !== undefined && hasKey(name, 'backup');
      return name === undefined
        ? { result: { $case: 'refusal', value: control.PublishRefusal.KEY } }
        : {
            result: {
              $case: 'grant',
              value: {
                channel: { ...DEFAULT_CHANNEL, ...change, name },
                role: isBackup ? control.PublishRole.BACKUP : control.PublishRole.PRIMARY,
                streamKeyId: `${isBackup ? 'backup-' : ''}key-of-${name}`,
              },
            },
          };
    },
  };
}

/** The channel that tests change. */
export const DEFAULT_CHANNEL: session.Channel = {
  name: 'news',
  segmentDurationSeconds: { numerator: 1, denominator: 1 },
  segmentFromSource: false,
  partDurationSeconds: { numerator: 1, denominator: 1 },
  ladder: [
    { name: '360p', isSource: false, width: 640, height: 360, bitrateBps: 700_000, maxFrameRate: undefined },
  ],
  preset: session.Preset.LOW_LATENCY,
  isVariableFrameRate: false,
  redundancy: session.Redundancy.NONE,
  takeoverPolicy: session.TakeoverPolicy.TAKEOVER,
  inputPreference: session.InputPreference.PRIMARY,
  graceSeconds: 30,
  windowSegments: 6,
  audioBitrateBps: 128_000,
};

/** What a subscription to one period gave until its end. */
export interface RelayedPeriod {
  readonly period: session.Period | undefined;
  readonly fragments: readonly relay.Fragment[];
  readonly wallClocks: readonly relay.WallClock[];
  readonly end: relay.EndReason | undefined;
}

/** Reads a period to its end, or until `enough` says so. */
export async function readPeriod(
  ingest: RunningIngest,
  request: relay.SubscribeRequest,
  enough: (fragments: readonly relay.Fragment[]) => boolean = () => false,
): Promise<RelayedPeriod> {
  const fragments: relay.Fragment[] = [];
  const wallClocks: relay.WallClock[] = [];
  let period: session.Period | undefined;
  let end: relay.EndReason | undefined;
  for await (const { payload } of ingest.relay.subscribe(request, AbortSignal.timeout(10_000))) {
    if (payload?.$case === 'period') period = payload.value;
    if (payload?.$case === 'wallClock') wallClocks.push(payload.value);
    if (payload?.$case === 'fragments') fragments.push(...payload.value.fragments);
    if (payload?.$case === 'end') end = payload.value.reason;
    if (enough(fragments)) break;
  }
  return { period, fragments, wallClocks, end };
}
