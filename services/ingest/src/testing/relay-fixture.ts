import { setImmediate as turn } from 'node:timers/promises';
import { control } from '@millrace/contracts';
import { createEventEmitter, createLogger, MemoryEventBus, MemorySessionStore } from '@millrace/runtime';
import type { PublishOutcome } from '@millrace/runtime';
import type { MediaRelayFixture } from '@millrace/runtime/contract';
import { ManualClock } from '@millrace/testkit';
import { Registry } from 'prom-client';
import { Relay } from '../domain/relay.ts';
import { SessionDirectory } from '../domain/session-directory.ts';
import { SlabPool } from '../domain/slab-pool.ts';
import { createIngestMetrics } from '../metrics.ts';
import { DEFAULT_CHANNEL } from './fixture.ts';
import { SessionFeed } from './session-feed.ts';

const RING = { seconds: 4, maxBytes: 64 * 1024 * 1024 };

/** An ingest without sockets: its sessions and its relay, on a manual clock. */
export async function createRelayFixture(): Promise<MediaRelayFixture> {
  const clock = new ManualClock(1_795_000_000_000);
  const logger = createLogger({ service: 'ingest', level: 'error', destination: { write: () => true } });
  const registry = new Registry();
  const metrics = createIngestMetrics(registry);
  const store = new MemorySessionStore({ clock: clock.now });
  const bus = new MemoryEventBus({ logger, registry });
  const events = createEventEmitter(bus, { service: 'ingest', instance: 'test', clock: clock.now });
  const directory = new SessionDirectory({
    store,
    dependencies: {
      clock: clock.now,
      events,
      logger,
      metrics,
      ring: RING,
      pool: new SlabPool(0),
      packagers: () => [],
    },
  });
  directory.start();

  async function claim(encoderId: string): Promise<Extract<PublishOutcome, { kind: 'accepted' }>> {
    const { name: channel, takeoverPolicy, inputPreference, graceSeconds } = DEFAULT_CHANNEL;
    const role = control.PublishRole.PRIMARY;
    const outcome = await store.claimPublication({
      ...{
        channel,
        takeoverPolicy,
        inputPreference,
        graceSeconds,
        ingest: { id: 'ingest-1', address: '' },
        role,
        encoderId,
      },
    });
    if (outcome.kind === 'refused') throw new Error(outcome.refusal);
    return outcome;
  }

  const first = await claim('encoder-1');
  const { sessionId } = first.record;
  const live = directory.open(first.record, DEFAULT_CHANNEL, () => undefined);
  live.writer.token = first.token;
  let publication: SessionFeed | undefined = new SessionFeed(live.session, clock);
  let { token } = first;

  return {
    sessionId,
    relay: new Relay({
      sessions: directory,
      lagged: metrics.lagged,
      subscriptions: metrics.subscriptions,
    }),
    async send(seconds) {
      if (publication === undefined) {
        ({ token } = await claim('encoder-1'));
        live.writer.token = token;
        publication = new SessionFeed(live.session, clock);
      }
      for (let second = 0; second < seconds; second += 1) publication.sendSecond();
      await turn();
    },
    async endPublication() {
      publication = undefined;
      live.session.endPublication();
      await live.writer.settled(AbortSignal.timeout(1000));
      await store.releasePublication(DEFAULT_CHANNEL.name, token);
    },
    async endSession() {
      await store.releasePublication(DEFAULT_CHANNEL.name, token);
      clock.advance((DEFAULT_CHANNEL.graceSeconds + 1) * 1000);
      await store.sweep();
      while (!directory.hasEnded(sessionId)) await turn();
    },
    async moveSession() {
      const other = await claim('encoder-2');
      const ordinal = (other.record.periods.at(-1)?.ordinal ?? -1) + 1;
      const openPeriod = { ordinal, firstK: 0, startTicks: 0, tracks: [], reason: 'reconnect' };
      await store.update(DEFAULT_CHANNEL.name, other.token, { openPeriod });
      while (live.session.media.ended !== 'moved') await turn();
    },
    subscriptions: async () => (await metrics.subscriptions.get()).values[0]?.value ?? 0,
    stop: async () => directory.stop(),
  };
}
