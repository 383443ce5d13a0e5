import { availableParallelism } from 'node:os';
import type {
  Clock,
  EventBus,
  EventEmitter,
  LeaseStore,
  Logger,
  SessionPeers,
  SessionStore,
  UnclaimedSessions,
} from '@millrace/runtime';
import type { Registry } from 'prom-client';
import type { SendSignal } from './adapters/child-process.ts';
import { createFfmpegTranscoder } from './adapters/ffmpeg-transcoder.ts';
import { findDeathLauncher } from './adapters/death-launcher.ts';
import { checkFfmpeg } from './adapters/ffmpeg-check.ts';
import type { WorkerConfig } from './config.ts';
import { SessionClaimer } from './domain/session-claimer.ts';
import { capacityUnitsOf } from './domain/worker-capacity.ts';
import { createWorkerMetrics } from './metrics.ts';

export { checkFfmpeg } from './adapters/ffmpeg-check.ts';
export type { SendSignal } from './adapters/child-process.ts';
export { workerConfigSchema } from './config.ts';
export type { WorkerConfig } from './config.ts';

/** What the worker is built on. */
export interface WorkerDependencies {
  readonly sessions: Pick<SessionStore, 'watch'>;
  readonly leases: LeaseStore & UnclaimedSessions;
  readonly bus: Pick<EventBus, 'subscribe'>;
  readonly peers: SessionPeers;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly events: EventEmitter;
  /** Ends an ffmpeg with its process group. */
  readonly sendSignal: SendSignal;
}

/** A worker that runs. */
export interface RunningWorker {
  /** What it takes at most, in units. */
  readonly capacityUnits: number;
  /** Units of the sessions that it leads or stands by for. */
  readonly loadUnits: number;
  /** Takes nothing new and hands over what it has; resolves when it has nothing any more, or the deadline is over. */
  drain(deadlineMs: number): Promise<void>;
  /** Ends all sessions' work and their ffmpeg processes; what was published stays. */
  stop(deadlineMs: number): Promise<void>;
}

/** What a worker with these settings takes at most on this machine, in units. */
export function workerCapacityUnits(config: WorkerConfig): number {
  return capacityUnitsOf(config, availableParallelism());
}

/**
 * Starts a worker: it takes free sessions and transcodes them until it is stopped.
 *
 * Throws `ServiceError` when ffmpeg is missing or cannot do what is needed.
 */
export async function startTranscodeWorker(
  config: WorkerConfig,
  dependencies: WorkerDependencies,
): Promise<RunningWorker> {
  const { logger, registry } = dependencies;
  const [version, launcher] = await Promise.all([checkFfmpeg(config.ffmpeg.path), findDeathLauncher()]);
  logger.info({ version, path: config.ffmpeg.path }, 'ffmpeg has everything that is needed');
  if (launcher.length === 0)
    logger.info(
      'Without setpriv of util-linux a stopped ffmpeg outlives a worker that is killed, until it is continued',
    );
  const capacityUnits = workerCapacityUnits(config);
  const metrics = createWorkerMetrics(registry);
  metrics.capacityUnits.set(capacityUnits);
  const claimer = new SessionClaimer({
    ...dependencies,
    ...{ config, capacityUnits, metrics },
    startTranscoder: createFfmpegTranscoder({
      path: config.ffmpeg.path,
      launcher,
      sendSignal: dependencies.sendSignal,
    }),
  });
  claimer.start();
  return {
    capacityUnits,
    get loadUnits() {
      return claimer.loadUnits;
    },
    drain: (deadlineMs) => claimer.drain(deadlineMs),
    stop: (deadlineMs) => claimer.stop(deadlineMs),
  };
}
