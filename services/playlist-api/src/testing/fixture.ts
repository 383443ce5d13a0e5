import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { session } from '@millrace/contracts';
import type { segmentIndex, sink } from '@millrace/contracts';
import {
  createEventEmitter,
  createLogger,
  createRegistry,
  MemoryEventBus,
  MemoryLeaseStore,
  MemorySessionStore,
} from '@millrace/runtime';
import type { EventEnvelope, InstanceRegistration, SegmentIndex } from '@millrace/runtime';
import { control } from '@millrace/contracts';
import { ManualClock } from '@millrace/testkit';
import type { Registry } from 'prom-client';
import { MemoryChannelStore } from '../adapters/memory-channel-store.ts';
import type { ChannelStore } from '../domain/channel-store.ts';
import { playlistApiConfigSchema, startPlaylistApi } from '../app.ts';
import type { RunningPlaylistApi } from '../app.ts';
import { FIRST_K, presentationOf } from './session-data.ts';

/** The admin token of test services. */
export const ADMIN_TOKEN = 'test-admin-token-0123456789';

/** A segment index that a test feeds. */
class FakeSegmentIndex implements SegmentIndex {
  readonly #rows = new Map<string, sink.Row[]>();
  readonly #wakes = new Set<() => void>();

  /** Adds rows for whoever watches the session, now or later. */
  add(sessionId: string, rows: readonly sink.Row[]): void {
    this.#rows.set(sessionId, [...(this.#rows.get(sessionId) ?? []), ...rows]);
    for (const wake of this.#wakes) wake();
  }

  async *watch(
    request: segmentIndex.WatchRequest,
    signal: AbortSignal,
  ): AsyncIterable<segmentIndex.WatchResponse> {
    let given = 0;
    while (!signal.aborted) {
      const rows = this.#rows.get(request.sessionId) ?? [];
      if (rows.length > given) {
        yield { rows: rows.slice(given) };
        given = rows.length;
        continue;
      }
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#wakes.delete(wake);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#wakes.add(wake);
        signal.addEventListener('abort', wake);
      });
    }
  }
}

/** A running playlist-api on a port of its own, and what a test moves it by. */
export interface Fixture {
  readonly api: RunningPlaylistApi;
  readonly url: string;
  readonly clock: ManualClock;
  readonly sessions: MemorySessionStore;
  readonly leases: MemoryLeaseStore;
  /** The workers that are registered. */
  readonly workers: InstanceRegistration[];
  readonly index: FakeSegmentIndex;
  readonly registry: Registry;
  readonly events: readonly EventEnvelope[];
  /** Everything that was logged. */
  readonly log: readonly string[];
  /** Claims the channel and fixes the presentation; returns the session's id and token. */
  readonly openSession: (channel: string) => Promise<{ sessionId: string; token: number }>;
  /** Resolves when the rows that were added are served. */
  readonly untilPlayable: (channel: string) => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** Starts a playlist-api on embedded adapters and a manual clock. */
export async function createFixture(
  config: Record<string, unknown> = {},
  store: ChannelStore = new MemoryChannelStore(),
): Promise<Fixture> {
  const clock = new ManualClock(FIRST_K * 2000);
  const sessions = new MemorySessionStore({ clock: clock.now });
  const leases = new MemoryLeaseStore({ clock: clock.now });
  const workers: InstanceRegistration[] = [];
  const index = new FakeSegmentIndex();
  const registry = createRegistry('playlist-api');
  const log: string[] = [];
  const events: EventEnvelope[] = [];
  const logger = createLogger({
    service: 'playlist-api',
    level: 'debug',
    destination: { write: (line: string) => void log.push(line) },
  });
  const bus = new MemoryEventBus({ logger, registry });
  bus.subscribe((envelope) => void events.push(envelope));
  const api = await startPlaylistApi(
    playlistApiConfigSchema.parse({ adminToken: ADMIN_TOKEN, holdMs: 0, validateResponses: true, ...config }),
    {
      store,
      sessions,
      leases,
      workers: () => workers,
      peers: { packagersOf: () => [{ index }] },
      events: createEventEmitter(bus, { service: 'playlist-api', instance: 'test', clock: clock.now }),
      logger,
      registry,
      clock: clock.now,
    },
  );
  const server = createServer(api.handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    api,
    url,
    clock,
    sessions,
    leases,
    workers,
    index,
    registry,
    events,
    log,
    async openSession(channel) {
      const outcome = await sessions.claimPublication({
        channel,
        takeoverPolicy: session.TakeoverPolicy.TAKEOVER,
        inputPreference: session.InputPreference.PRIMARY,
        graceSeconds: 30,
        ingest: { id: 'ingest-1', address: '' },
        role: control.PublishRole.PRIMARY,
        encoderId: 'encoder-1',
      });
      if (outcome.kind !== 'accepted') throw new Error(outcome.refusal);
      const { token, record } = outcome;
      await sessions.update(channel, token, {
        presentation: presentationOf(),
        openPeriod: {
          ordinal: 0,
          firstK: FIRST_K,
          startTicks: FIRST_K * 180_000,
          tracks: [],
          reason: 'first',
        },
      });
      return { sessionId: record.sessionId, token };
    },
    async untilPlayable(channel) {
      for (;;) {
        const response = await fetch(`${url}/v1/live`);
        const live = (await response.json()) as { channels: { name: string; isPlayable: boolean }[] };
        if (live.channels.some(({ name, isPlayable }) => name === channel && isPlayable)) return;
      }
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await api.stop(1000);
    },
  };
}
