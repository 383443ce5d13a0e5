import { expect, test } from '@jest/globals';
import { control, session } from '@millrace/contracts';
import type { MillraceEvent } from '@millrace/contracts';
import { createLogger, createRegistry, MemoryLeaseStore, MemorySessionStore } from '@millrace/runtime';
import { startTranscodeWorker } from './app.ts';
import { workerConfigSchema } from './config.ts';
import { FakeRelay } from './testing/fake-relay.ts';
import { FakeSink } from './testing/fake-sink.ts';
import { peersOf } from './testing/peers.ts';
import { makeSyntheticMedia } from './testing/synthetic-media.ts';
import { FIRST_K, presentationOf, START_TICKS } from './testing/worker-harness.ts';

function fixture() {
  const events: MillraceEvent[] = [];
  const sessions = new MemorySessionStore({ clock: Date.now });
  const relay = new FakeRelay();
  const sink = new FakeSink();
  const dependencies = {
    sessions,
    leases: new MemoryLeaseStore({ clock: Date.now }),
    peers: peersOf(relay, sink),
    logger: createLogger({ service: 'transcode-worker', level: 'error' }),
    clock: Date.now,
    events: { emit: (event: MillraceEvent) => void events.push(event) },
    bus: { subscribe: () => () => undefined },
    sendSignal: (pid: number, signal: NodeJS.Signals) => process.kill(pid, signal),
  };
  return { events, sessions, relay, sink, dependencies };
}

test('a session is taken as soon as it has a presentation, by one of two workers, and given up at the stop', async () => {
  const { events, sessions, relay, sink, dependencies } = fixture();
  const workers = await Promise.all(
    ['worker-1', 'worker-2'].map((instance) =>
      startTranscodeWorker(workerConfigSchema.parse({ instance }), {
        ...dependencies,
        registry: createRegistry(instance),
      }),
    ),
  );
  try {
    const claim = await sessions.claimPublication({
      channel: 'news',
      takeoverPolicy: session.TakeoverPolicy.TAKEOVER,
      inputPreference: session.InputPreference.PRIMARY,
      graceSeconds: 30,
      ingest: { id: 'ingest-1', address: '' },
      role: control.PublishRole.PRIMARY,
      encoderId: 'encoder-1',
    });
    if (claim.kind !== 'accepted') throw new Error('refused');
    const media = await makeSyntheticMedia(START_TICKS, { seconds: 4 });
    const period: session.Period = {
      ordinal: 0,
      firstK: FIRST_K,
      startTicks: START_TICKS,
      tracks: [...media.tracks],
      reason: 'first',
    };
    relay.addPeriod(period, media);
    expect(events).toEqual([]);
    await sessions.update('news', claim.token, {
      presentation: presentationOf(),
      openPeriod: period,
      currentK: FIRST_K,
    });
    relay.endPeriod();
    const { window } = sink;
    await sink.until(() => window.rowsOf('audio').length >= 2 && window.rowsOf('180p').length >= 2);
    expect(events.filter(({ type }) => type === 'LeaseTaken')).toHaveLength(1);
  } finally {
    await Promise.all(workers.map((worker) => worker.stop(5000)));
  }
  const lease = {
    channel: 'news',
    sessionId: events[0]?.data !== undefined && 'sessionId' in events[0].data ? events[0].data.sessionId : '',
  };
  expect(
    await dependencies.leases.acquire({ ...lease, workerId: 'other', from: { k: 0, part: 0 } }),
  ).toBeDefined();
}, 30_000);

test('without a usable ffmpeg it does not start', async () => {
  const { dependencies } = fixture();
  const config = workerConfigSchema.parse({ ffmpeg: { path: '/nonexistent/ffmpeg' } });
  await expect(
    startTranscodeWorker(config, { ...dependencies, registry: createRegistry('transcode-worker') }),
  ).rejects.toMatchObject({ id: 'WORKER_FFMPEG_MISSING' });
});
