import { afterEach, expect, test } from '@jest/globals';
import { control, session } from '@millrace/contracts';
import { createLogger, MemoryEventBus, MemorySessionStore } from '@millrace/runtime';
import type { PublishClaim } from '@millrace/runtime';
import { ManualClock } from '@millrace/testkit';
import { Registry } from 'prom-client';
import { ingestConfigSchema } from '../config.ts';
import { createIngestMetrics } from '../metrics.ts';
import { PublicationDesk } from './publication-desk.ts';
import type { LossReason } from './publication.ts';
import { PublishAdmission } from './publish-admission.ts';
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
  takeoverPolicy: session.TakeoverPolicy.TAKEOVER,
  graceSeconds: 30,
  windowSegments: 6,
  audioBitrateBps: 128_000,
};

const clock = new ManualClock(1_795_000_000_000);
const store = new MemorySessionStore({ clock: clock.now });
let desk: PublicationDesk | undefined;
let directory: SessionDirectory | undefined;

afterEach(async () => {
  await desk?.stop(1000);
  directory?.stop();
});

function claimOfAnother(): PublishClaim {
  return {
    channel: 'news',
    takeoverPolicy: session.TakeoverPolicy.TAKEOVER,
    graceSeconds: 30,
    ingestId: 'ingest-2',
    role: control.PublishRole.PRIMARY,
    encoderId: 'another',
  };
}

test('a publication that expired while the process stood still is claimed again; one that another has is not', async () => {
  const bus = new MemoryEventBus({ logger, registry: new Registry() });
  const events = { emit: (): void => undefined };
  const metrics = createIngestMetrics(new Registry());
  directory = new SessionDirectory({
    store,
    dependencies: {
      clock: clock.now,
      events,
      logger,
      metrics,
      ring: { seconds: 20, maxBytes: 1e6 },
      pool: new SlabPool(0),
    },
  });
  const admission = new PublishAdmission({
    control: {
      authorizePublish: async () => ({
        result: {
          $case: 'grant',
          value: { channel: CHANNEL, role: control.PublishRole.PRIMARY, streamKeyId: 'k1' },
        },
      }),
    },
    store,
    clock: clock.now,
    logger,
    instance: 'ingest-1',
    apps: ['live'],
    storeHoldMs: 1000,
  });
  desk = new PublicationDesk({
    admission,
    store,
    directory,
    bus,
    clock: clock.now,
    events,
    logger,
    maxRingBytes: 1e9,
    limits: ingestConfigSchema.parse({}).limits,
  });
  desk.start();
  const closed = Promise.withResolvers<LossReason>();
  const publication = await desk.publish(
    {
      app: 'live',
      streamKey: 'secret',
      remoteAddress: '1.2.3.4',
      encoder: 'OBS',
      signal: new AbortController().signal,
    },
    closed.resolve,
  );
  const first = publication.token;
  const sessionId = publication.live.session.id;

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
  const other = await store.claimPublication(claimOfAnother());
  expect(other.kind).toBe('accepted');
  expect(await closed.promise).toBe('taken-over');
  const token = other.kind === 'accepted' ? other.token : 0;
  expect(await store.renewPublication('news', token)).toBe(true);
});
