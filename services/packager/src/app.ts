import type {
  Clock,
  EventEmitter,
  Logger,
  RenditionSink,
  SegmentIndex,
  SessionStore,
} from '@millrace/runtime';
import type { Registry } from 'prom-client';
import { HttpOrigin } from './adapters/http-origin.ts';
import type { HttpHandler } from './adapters/http-origin.ts';
import { InProcessRenditionSink } from './adapters/in-process-rendition-sink.ts';
import { InProcessSegmentIndex } from './adapters/in-process-segment-index.ts';
import { OriginResolver } from './adapters/origin-resolver.ts';
import { createSessionReporter } from './adapters/session-reporter.ts';
import type { PackagerConfig } from './config.ts';
import { sessionAgeSeconds } from './domain/session-age.ts';
import { SessionDirectory } from './domain/session-directory.ts';
import { createPackagerMetrics } from './metrics.ts';

export type { HttpHandler } from './adapters/http-origin.ts';
export { packagerConfigSchema } from './config.ts';
export type { PackagerConfig } from './config.ts';

/** What the packager needs from outside. */
export interface PackagerDependencies {
  readonly sessions: SessionStore;
  readonly events: EventEmitter;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly clock: Clock;
}

/** A running packager. */
export interface RunningPackager {
  readonly sink: RenditionSink;
  readonly index: SegmentIndex;
  /** Everything under `/media`: mount it on an HTTP/1.1 server. */
  readonly handler: HttpHandler;
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
  const { sessions, events, logger, registry, clock } = dependencies;
  const metrics = createPackagerMetrics(registry);
  const observer = createSessionReporter({ metrics, events, logger });
  const limits = { ...config.limits, ...config.memory };
  const directory = new SessionDirectory({ limits, sessions, clock, logger, observer });
  const resolver = new OriginResolver({
    directory,
    startHoldMs: config.startHoldMs,
    maxTsCacheBytes: config.memory.maxTsCacheBytes,
    logger,
    onMuxFailure: () => metrics.muxFailures.inc(),
  });
  const origin = new HttpOrigin({
    resolver,
    tally: metrics.tally,
    logger,
    onFailure: () => metrics.handlerFailures.inc(),
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
    *ages() {
      for (const window of directory.sessions) {
        const seconds = window.isFinished ? undefined : sessionAgeSeconds(window, clock());
        if (seconds !== undefined) yield [window.id, seconds] as const;
      }
    },
  });
  directory.start();
  return {
    sink: new InProcessRenditionSink(directory, clock),
    index: new InProcessSegmentIndex(directory),
    handler: origin.handle,
    stop: () => directory.stop(),
  };
}
