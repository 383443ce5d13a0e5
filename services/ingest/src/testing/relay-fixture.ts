import { setImmediate as turn } from 'node:timers/promises';
import { control } from '@millrace/contracts';
import { createEventEmitter, createLogger, MemoryEventBus, MemorySessionStore } from '@millrace/runtime';
import type { PublishOutcome } from '@millrace/runtime';
import type { MediaRelayFixture } from '@millrace/runtime/contract';
import { ManualClock } from '@millrace/testkit';
import { Registry } from 'prom-client';
import { MediaInput } from '../domain/media-input.ts';
import { Relay } from '../domain/relay.ts';
import { SessionDirectory } from '../domain/session-directory.ts';
import type { LiveSession } from '../domain/session-directory.ts';
import { SlabPool } from '../domain/slab-pool.ts';
import { createIngestMetrics } from '../metrics.ts';
import { readFlv } from './encoder.ts';
import { DEFAULT_CHANNEL } from './fixture.ts';

/** One second of H.264 with B-frames at 30 fps, GOP 15, and AAC at 48 kHz. */
const SECOND = readFlv(new URL('../../../../packages/media/src/testdata/b-frames.flv', import.meta.url));
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
    dependencies: { clock: clock.now, events, logger, metrics, ring: RING, pool: new SlabPool(0) },
  });
  directory.start();

  async function claim(encoderId: string): Promise<Extract<PublishOutcome, { kind: 'accepted' }>> {
    const { name: channel, takeoverPolicy, graceSeconds } = DEFAULT_CHANNEL;
    const role = control.PublishRole.PRIMARY;
    const outcome = await store.claimPublication({
      ...{ channel, takeoverPolicy, graceSeconds, ingestId: 'ingest-1', role, encoderId },
    });
    if (outcome.kind === 'refused') throw new Error(outcome.refusal);
    return outcome;
  }

  const first = await claim('encoder-1');
  const { sessionId } = first.record;
  const live = directory.open(first.record, DEFAULT_CHANNEL, () => undefined);
  live.writer.token = first.token;
  let publication: Encoding | undefined = new Encoding(live, clock);
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
        publication = new Encoding(live, clock);
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

/** One publication as its encoder sends it, second by second. */
class Encoding {
  readonly #live: LiveSession;
  readonly #clock: ManualClock;
  readonly #input = new MediaInput();
  #sentSeconds = 0;

  constructor(live: LiveSession, clock: ManualClock) {
    this.#live = live;
    this.#clock = clock;
    live.session.beginPublication('reconnect');
  }

  sendSecond(): void {
    const { session: target } = this.#live;
    const startMs = this.#clock.now();
    for (const { type, timestampMs, body } of SECOND) {
      if (type === 'script') continue;
      this.#clock.advance(startMs + timestampMs - this.#clock.now());
      const { config, unit } = this.#input.push(type, timestampMs + this.#sentSeconds * 1000, body);
      if (config !== undefined) target.configure(config);
      if (unit !== undefined) target.push(unit);
    }
    this.#clock.advance(startMs + 1000 - this.#clock.now());
    this.#sentSeconds += 1;
  }
}
