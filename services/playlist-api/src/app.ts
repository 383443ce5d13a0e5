import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ServiceError } from '@millrace/runtime';
import type {
  Clock,
  Control,
  EventEmitter,
  Logger,
  SessionStore,
  UnclaimedSessions,
  InstanceRegistration,
  LeaseStore,
} from '@millrace/runtime';
import type { Registry } from 'prom-client';
import { FileChannelStore } from './adapters/file-channel-store.ts';
import type { PlaylistApiConfig } from './config.ts';
import { Catalogue } from './domain/catalogue.ts';
import { mergeDeclarations, parseChannelFile } from './domain/channel-file.ts';
import type { ChannelDeclarations } from './domain/channel-file.ts';
import type { ChannelStore } from './domain/channel-store.ts';
import { declareChannels } from './domain/declare.ts';
import { Janitor } from './domain/janitor.ts';
import { DEFAULT_LADDER_NAME, DEFAULT_RUNGS } from './domain/ladder.ts';
import { PublishControl } from './domain/publish-control.ts';
import { SessionMirror } from './domain/session-mirror.ts';
import type { PackagerPeers } from './domain/session-mirror.ts';
import { SessionWork } from './domain/session-work.ts';
import { createHandler } from './http/handler.ts';
import type { HttpHandler } from './http/handler.ts';
import { createPlaylistApiMetrics } from './metrics.ts';

export { playlistApiConfigSchema } from './config.ts';
export type { PlaylistApiConfig } from './config.ts';
export type { ChannelStore } from './domain/channel-store.ts';
export type { HttpHandler } from './http/handler.ts';

/** What playlist-api needs from outside. */
export interface PlaylistApiDependencies {
  readonly store: ChannelStore;
  readonly sessions: SessionStore;
  readonly leases: LeaseStore & UnclaimedSessions;
  /** The workers that there are; none inside one process, where sessions cannot be moved. */
  readonly workers: () => readonly InstanceRegistration[];
  readonly peers: PackagerPeers;
  readonly events: EventEmitter;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly clock: Clock;
}

/** A running playlist-api. */
export interface RunningPlaylistApi {
  readonly control: Control;
  /** Everything but `/media`: mount it on an HTTP/1.1 server. */
  readonly handler: HttpHandler;
  stop(deadlineMs: number): Promise<void>;
}

/**
 * Starts playlist-api: the files of channels, the mirror, the janitor, the HTTP handler.
 *
 * Does not listen. Throws `ServiceError` with one sentence for each thing that is wrong with a file.
 */
export async function startPlaylistApi(
  config: PlaylistApiConfig,
  dependencies: PlaylistApiDependencies,
): Promise<RunningPlaylistApi> {
  const { store, sessions, leases, workers, peers, events, logger, registry, clock } = dependencies;
  const metrics = createPlaylistApiMetrics(registry);
  const declarations = await readChannelFiles(config.channelFiles);
  if ((await store.getLadder(DEFAULT_LADDER_NAME)) === undefined) {
    await store.putLadder({ name: DEFAULT_LADDER_NAME, rungs: DEFAULT_RUNGS, updatedAtMs: clock() });
  }
  const catalogue = new Catalogue({ store, events, clock });
  if (declarations !== undefined) {
    await declareChannels({ store, catalogue, events, nowMs: clock() }, declarations);
    logger.info({ channels: declarations.channels.size }, 'Channels declared from files');
  }
  const mirror = new SessionMirror({ store: sessions, peers, clock, logger });
  const janitor = new Janitor({
    store: sessions,
    leases,
    catalogue,
    mirror,
    events,
    logger,
    failures: metrics.sweepFailures,
    sessions: metrics.sessions,
  });
  const control = new PublishControl({
    store,
    clock,
    apps: config.rtmp.apps,
    answers: metrics.publishAnswers,
  });
  const stopping = new AbortController();
  const { signal } = stopping;
  const handler = createHandler({
    config,
    store,
    catalogue,
    mirror,
    work: new SessionWork({ leases, workers, events }),
    clock,
    logger,
    metrics,
    stopping: signal,
  });
  mirror.start();
  janitor.start();
  return {
    control,
    handler,
    async stop(): Promise<void> {
      stopping.abort();
      await Promise.all([janitor.stop(), mirror.stop()]);
    },
  };
}

/** The channels of a process that has no other store: in a file of its directory. Throws `PLAYLIST_API_STATE_FILE`. */
export function openChannelFile(stateDirectory: string): Promise<ChannelStore> {
  return FileChannelStore.open(join(stateDirectory, 'channels.json'));
}

/** Every problem of every file in one message. */
async function readChannelFiles(paths: readonly string[]): Promise<ChannelDeclarations | undefined> {
  if (paths.length === 0) return undefined;
  const files = await Promise.all(
    paths.map(async (path) => {
      try {
        return { path, result: parseChannelFile(await readFile(path, 'utf8')) };
      } catch (error) {
        return {
          path,
          result: { problems: [`cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown'}`] },
        };
      }
    }),
  );
  const merged = mergeDeclarations(files);
  if ('problems' in merged) {
    throw new ServiceError(
      'INVALID_ARGUMENT',
      'PLAYLIST_API_CHANNEL_FILE',
      `The channel files have ${merged.problems.length} problem(s):\n  - ${merged.problems.join('\n  - ')}`,
    );
  }
  return merged;
}
