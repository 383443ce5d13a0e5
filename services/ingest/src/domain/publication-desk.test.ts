import { createHash } from 'node:crypto';
import { afterEach, expect, test } from '@jest/globals';
import { control, session } from '@millrace/contracts';
import type { MillraceEvent } from '@millrace/contracts';
import { createLogger, MemoryEventBus, MemorySessionStore } from '@millrace/runtime';
import type { PublishClaim, SessionStore } from '@millrace/runtime';
import { ManualClock } from '@millrace/testkit';
import { Registry } from 'prom-client';
import { ingestConfigSchema } from '../config.ts';
import { createIngestMetrics } from '../metrics.ts';
import { readFlv } from '../testing/encoder.ts';
import { KeyAttempts } from './key-attempts.ts';
import { PublicationDesk } from './publication-desk.ts';
import type { LossReason } from './encoder-feed.ts';
import { Publication } from './publication.ts';
import { PublishAdmission } from './publish-admission.ts';
import type { PublishRequest } from './publish-admission.ts';
import { SessionDirectory } from './session-directory.ts';
import { SlabPool } from './slab-pool.ts';

const logger = createLogger({ service: 'ingest', level: 'error', destination: { write: () => true } });
const CHANNEL: session.Channel = {
  name: 'news',
  segmentDurationSeconds: { numerator: 2, denominator: 1 },
  segmentFromSource: false,
  partDurationSeconds: undefined,
  ladder: [],
  preset: session.Preset.LOW_LATENCY,
  isVariableFrameRate: false,
  redundancy: session.Redundancy.NONE,
  takeoverPolicy: session.TakeoverPolicy.TAKEOVER,
  inputPreference: session.InputPreference.PRIMARY,
  graceSeconds: 30,
  windowSegments: 6,
  audioBitrateBps: 128_000,
};

const FEED = new URL('../../../../packages/media/src/testdata/b-frames.flv', import.meta.url);
const HEADER_AND_IDR = readFlv(FEED)
  .filter(({ type }) => type === 'video')
  .slice(0, 2);
/** The key of another channel. */
const SPORT = createHash('sha256').update('sport-secret').digest();

const clock = new ManualClock(1_795_000_000_000);
const store = new MemorySessionStore({ clock: clock.now });
let desk: PublicationDesk | undefined;
let directory: SessionDirectory | undefined;

afterEach(async () => {
  await desk?.stop(1000);
  directory?.stop();
});

/** A desk in a process of its own. */
function startDesk(
  change: {
    readonly store?: SessionStore;
    readonly channel?: Partial<session.Channel>;
    readonly emit?: (event: MillraceEvent) => void;
  } = {},
): PublicationDesk {
  const bus = new MemoryEventBus({ logger, registry: new Registry() });
  const events = { emit: change.emit ?? ((): void => undefined) };
  const metrics = createIngestMetrics(new Registry());
  const used = change.store ?? store;
  directory = new SessionDirectory({
    store: used,
    dependencies: {
      clock: clock.now,
      events,
      logger,
      metrics,
      ring: { seconds: 20, maxBytes: 1e6 },
      pool: new SlabPool(0),
      packagers: () => [],
    },
  });
  const admission = new PublishAdmission({
    control: {
      authorizePublish: async ({ streamKeySha256 }) => {
        const streamKeyId = streamKeySha256.toString('hex');
        const channel = {
          ...CHANNEL,
          ...change.channel,
          name: streamKeySha256.equals(SPORT) ? 'sport' : 'news',
        };
        return {
          result: { $case: 'grant', value: { channel, role: control.PublishRole.PRIMARY, streamKeyId } },
        };
      },
    },
    store: used,
    clock: clock.now,
    logger,
    instance: 'ingest-1',
    address: Promise.resolve(''),
    apps: ['live'],
    storeHoldMs: 1000,
    attempts: new KeyAttempts(ingestConfigSchema.parse({}).limits, clock.now),
  });
  desk = new PublicationDesk({
    admission,
    store: used,
    directory,
    bus,
    clock: clock.now,
    events,
    logger,
    maxRingBytes: 1e9,
    maxStandbyBytes: 1e7,
    limits: ingestConfigSchema.parse({}).limits,
  });
  desk.start();
  return desk;
}

function requestOf(streamKey = 'secret'): PublishRequest {
  const signal = new AbortController().signal;
  return { app: 'live', streamKey, remoteAddress: '1.2.3.4', encoder: 'OBS', signal };
}

/** Admits an encoder that is on air at once, with nobody to take turns with. */
async function publish(
  running: PublicationDesk,
  request = requestOf(),
  onClose: (reason: LossReason) => void = () => undefined,
): Promise<Publication> {
  const feed = await running.publish(request, onClose);
  if (!(feed instanceof Publication)) throw new Error('it stands by');
  return feed;
}

function claimOfAnother(): PublishClaim {
  return {
    channel: 'news',
    takeoverPolicy: session.TakeoverPolicy.TAKEOVER,
    inputPreference: session.InputPreference.PRIMARY,
    graceSeconds: 30,
    ingest: { id: 'ingest-2', address: '' },
    role: control.PublishRole.PRIMARY,
    encoderId: 'another',
  };
}

test('a publication that expired while the process stood still is claimed again; one that another has is not', async () => {
  const closed = Promise.withResolvers<LossReason>();
  const publication = await publish(startDesk(), requestOf(), closed.resolve);
  const first = publication.token;
  const sessionId = publication.live.session.id;

  clock.advance(1500);
  expect(await store.sweep()).toEqual([]);
  clock.advance(1500);
  const [gap] = await store.sweep();
  expect(gap?.state).toBe(session.SessionState.GAP);
  for await (const record of store.watch(AbortSignal.timeout(5000))) {
    if (record.state === session.SessionState.LIVE) break;
  }
  expect(publication.token).toBeGreaterThan(first);
  expect(publication.live.session.id).toBe(sessionId);
  expect(publication.hasEnded).toBe(false);

  clock.advance(1500);
  await store.sweep();
  clock.advance(1500);
  await store.sweep();
  const other = await store.claimPublication(claimOfAnother());
  expect(other.kind).toBe('accepted');
  expect(await closed.promise).toBe('taken-over');
  const token = other.kind === 'accepted' ? other.token : 0;
  expect(await store.renewPublication('news', token)).toBe(true);
});

test('an encoder that stops and publishes again at once is in nobody’s way, least of all its own', async () => {
  const slow = new MemorySessionStore({ clock: clock.now });
  const released = Promise.withResolvers<void>();
  const release = slow.releasePublication.bind(slow);
  slow.releasePublication = async (channel, token) => {
    await released.promise;
    await release(channel, token);
  };
  const channel = { takeoverPolicy: session.TakeoverPolicy.REJECT };
  const running = startDesk({ store: slow, channel });
  const first = await publish(running);
  first.end('closed');
  const again = publish(running);
  // Another channel does not wait for it.
  expect((await publish(running, requestOf('sport-secret'))).channel).toBe('sport');
  released.resolve();
  const second = await again;
  expect(second.token).toBeGreaterThan(first.token);
  expect(second.live.session.id).toBe(first.live.session.id);
});

test('a session that fails while nothing comes loses its publication, and no other', async () => {
  const fails = (event: MillraceEvent): void => {
    if (event.type === 'PeriodOpened' && event.data.channel === 'news') throw new Error('a mistake of ours');
  };
  const running = startDesk({ store: new MemorySessionStore({ clock: clock.now }), emit: fails });
  const closed = Promise.withResolvers<LossReason>();
  const publication = await publish(running, requestOf(), closed.resolve);
  const other = await publish(running, requestOf('sport-secret'));
  for (const { timestampMs, body } of HEADER_AND_IDR) {
    publication.push('video', timestampMs, body);
    other.push('video', timestampMs, body);
  }
  // Half a second after the IDR the period opens, without another message.
  clock.advance(600);
  expect(await closed.promise).toBe('protocol-error');
  expect(running.size).toBe(1);
  while (other.live.session.media.newestOrdinal < 0) await new Promise((resolve) => setImmediate(resolve));
  expect(other.hasEnded).toBe(false);
});
