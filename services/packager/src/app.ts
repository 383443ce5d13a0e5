import type { session } from '@millrace/contracts';
import type {
  Clock,
  EventEmitter,
  InstanceRegistration,
  LeaseStore,
  Logger,
  RenditionSink,
  SegmentIndex,
  SessionCopy,
  SessionStore,
} from '@millrace/runtime';
import type { Registry } from 'prom-client';
import { HttpOrigin } from './adapters/http-origin.ts';
import type { HttpHandler, OtherPackagers } from './adapters/http-origin.ts';
import { InProcessRenditionSink } from './adapters/in-process-rendition-sink.ts';
import { InProcessSegmentIndex } from './adapters/in-process-segment-index.ts';
import { InProcessSessionCopy } from './adapters/in-process-session-copy.ts';
import { LostWriters } from './adapters/lost-writers.ts';
import { OwnerProxy } from './adapters/owner-proxy.ts';
import { OriginResolver } from './adapters/origin-resolver.ts';
import { createSessionReporter } from './adapters/session-reporter.ts';
import type { PackagerConfig } from './config.ts';
import { PlacementKeeper } from './domain/placement-keeper.ts';
import { Replicas } from './domain/replicas.ts';
import type { Twins } from './domain/replicas.ts';
import { sessionAgeSeconds } from './domain/session-age.ts';
import { SessionDirectory } from './domain/session-directory.ts';
import { createPackagerMetrics } from './metrics.ts';
import type { PackagerMetrics } from './metrics.ts';

export type { HttpHandler } from './adapters/http-origin.ts';
export { packagerConfigSchema } from './config.ts';
export type { PackagerConfig } from './config.ts';

/** What the packager needs from outside. */
export interface PackagerDependencies {
  readonly sessions: SessionStore;
  readonly leases: Pick<LeaseStore, 'release'>;
  readonly events: EventEmitter;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly clock: Clock;
  /** The other packagers; absent where this is the only one, which holds every session. */
  readonly twins?: Twins;
}

/** A running packager. */
export interface RunningPackager {
  readonly sink: RenditionSink;
  readonly index: SegmentIndex;
  /** What is held, for other packagers. */
  readonly copy: SessionCopy;
  /** Everything under `/media`: mount it on an HTTP/1.1 server. */
  readonly handler: HttpHandler;
  /** Sessions whose windows it holds. */
  readonly sessionCount: number;
  /** Ends every hold and forgets all media. */
  stop(deadlineMs: number): Promise<void>;
}

/** What the packager is set to; its ports are the business of who listens. */
export type WindowConfig = Pick<PackagerConfig, 'memory' | 'limits' | 'startHoldMs'>;

/** Starts the packager: the windows, the mirror of the session store, the HTTP origin. Does not listen. */
export async function startPackager(
  config: WindowConfig,
  dependencies: PackagerDependencies,
): Promise<RunningPackager> {
  const { sessions, leases, events, logger, registry, clock, twins } = dependencies;
  const metrics = createPackagerMetrics(registry);
  const observer = createSessionReporter({ metrics, events, logger });
  const lostWriters = new LostWriters({ leases, events, logger });
  const limits = { ...config.limits, ...config.memory };
  const replicas =
    twins === undefined
      ? undefined
      : new Replicas({
          ...{ ...twins, clock, logger },
          observer: {
            onFilled: (window, result, seconds) => {
              metrics.fills.inc({ result });
              if (result === 'filled') metrics.fillDuration.observe(seconds);
              logger.info({ sessionId: window.id, result, seconds }, 'The session is served from here');
              directory.onFilled(window);
            },
            onRestarted: () => metrics.fills.inc({ result: 'restarted' }),
          },
        });
  const directory = new SessionDirectory({
    ...{ limits, sessions, clock, logger, observer },
    ...(replicas === undefined ? {} : { residence: replicas }),
  });
  const sharing =
    twins === undefined ? undefined : share(twins, { config, dependencies, directory, metrics });
  const resolver = new OriginResolver({
    directory,
    startHoldMs: config.startHoldMs,
    maxTsCacheBytes: config.memory.maxTsCacheBytes,
    logger,
    onMuxFailure: () => metrics.muxFailures.inc(),
    ...(sharing === undefined ? {} : { isMirrorCurrent: sharing.isMirrorCurrent }),
  });
  const origin = new HttpOrigin({
    resolver,
    tally: metrics.tally,
    logger,
    onFailure: () => metrics.handlerFailures.inc(),
    ...(sharing === undefined ? {} : { others: sharing.others }),
  });
  metrics.observe({
    get mediaBytes() {
      return directory.mediaBytes;
    },
    get tsCacheBytes() {
      return resolver.tsCacheBytes;
    },
    get waiterCount() {
      return directory.waiterCount;
    },
    get indexReaderCount() {
      return directory.readerLimit.count;
    },
    get sessionCount() {
      return directory.sessionCount;
    },
    get fillingCount() {
      return [...directory.sessions].filter(({ isFilled }) => !isFilled).length;
    },
    *ages() {
      for (const window of directory.sessions) {
        const seconds = window.isFinished ? undefined : sessionAgeSeconds(window, clock());
        if (seconds !== undefined) yield [window.id, seconds] as const;
      }
    },
  });
  replicas?.start();
  directory.start();
  sharing?.keeper.start();
  return {
    sink: new InProcessRenditionSink(directory, {
      clock,
      onLost: (window, token) => lostWriters.note(window, token),
    }),
    index: new InProcessSegmentIndex(directory),
    copy: new InProcessSessionCopy(directory),
    handler: origin.handle,
    get sessionCount() {
      return directory.sessionCount;
    },
    stop: async () => {
      lostWriters.stop();
      await sharing?.keeper.stop();
      sharing?.others.proxy.stop();
      await directory.stop();
      await replicas?.stop();
    },
  };
}

/** After so long the mirror of the records has everything: it looks each second. */
const MIRROR_SETTLE_MS = 3000;

/** What a packager has to do with others beside copying: asking them, and taking over from those that are gone. */
function share(
  { instance, packagers }: Twins,
  made: {
    readonly config: WindowConfig;
    readonly dependencies: PackagerDependencies;
    readonly directory: SessionDirectory;
    readonly metrics: PackagerMetrics;
  },
): {
  readonly others: OtherPackagers;
  readonly keeper: PlacementKeeper;
  readonly isMirrorCurrent: () => boolean;
} {
  const { directory, metrics, config } = made;
  const { sessions, logger } = made.dependencies;
  let seenSinceMs: number | undefined;
  return {
    others: {
      proxy: new OwnerProxy({
        instance,
        limits: { ...config.limits, ...config.memory },
        logger,
        observer: {
          onAsked: (result) => metrics.forwarded.inc({ result }),
          onCollapsed: () => metrics.collapsed.inc(),
          onRejected: () => metrics.forwarded.inc({ result: 'rejected' }),
        },
      }),
      ownersOf: (sessionId) => ownersOf(directory.recordOf(sessionId), instance, packagers()),
      waiters: directory.waiterLimit,
    },
    keeper: new PlacementKeeper({
      ...{ instance, packagers, directory, sessions, logger },
      onPlaced: (result) => metrics.placements.inc({ result }),
    }),
    // The store answers as soon as it shows who is registered.
    isMirrorCurrent: () => {
      if (packagers().length > 0) seenSinceMs ??= performance.now();
      return seenSinceMs !== undefined && performance.now() - seenSinceMs >= MIRROR_SETTLE_MS;
    },
  };
}

/** Where the other packagers of a session answer viewers; those that are not registered are not there. */
function ownersOf(
  record: session.SessionRecord | undefined,
  instance: string,
  packagers: readonly InstanceRegistration[],
): readonly string[] {
  return (record?.placement?.packagers ?? []).flatMap(({ id }) => {
    const registered = packagers.find((packager) => packager.id === id);
    return id === instance || registered?.httpAddress === undefined ? [] : [registered.httpAddress];
  });
}
