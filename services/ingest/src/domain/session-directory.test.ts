import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { control, session } from '@millrace/contracts';
import { createLogger, MemorySessionStore } from '@millrace/runtime';
import type { SessionChange } from '@millrace/runtime';
import { ManualClock } from '@millrace/testkit';
import { Registry } from 'prom-client';
import { createIngestMetrics } from '../metrics.ts';
import { DEFAULT_CHANNEL } from '../testing/fixture.ts';
import { SessionFeed } from '../testing/session-feed.ts';
import { periodOf } from '../testing/units.ts';
import type { PeriodRing } from './period-ring.ts';
import { SessionDirectory } from './session-directory.ts';
import { SlabPool } from './slab-pool.ts';
import type { RingEntry } from './unit-store.ts';

const { name: channel } = DEFAULT_CHANNEL;

let clock: ManualClock;
let store: MemorySessionStore;
let directory: SessionDirectory;
let registry: Registry;

beforeEach(() => {
  clock = new ManualClock(1_795_000_000_000);
  store = new MemorySessionStore({ clock: clock.now });
  registry = new Registry();
  directory = directoryOf(registry);
});

afterEach(() => {
  directory.stop();
  jest.useRealTimers();
});

/** The sessions of an ingest process. */
function directoryOf(registered = new Registry()): SessionDirectory {
  const logger = createLogger({ service: 'ingest', level: 'error', destination: { write: () => true } });
  return new SessionDirectory({
    store,
    dependencies: {
      clock: clock.now,
      events: { emit: (): void => undefined },
      logger,
      metrics: createIngestMetrics(registered),
      ring: { seconds: 20, maxBytes: 64 * 1024 * 1024 },
      pool: new SlabPool(0),
      packagers: () => [],
    },
  });
}

/** Claims the channel and opens its session in an ingest process. */
async function publish(at: SessionDirectory, encoderId = 'encoder-1') {
  const outcome = await store.claimPublication({
    channel,
    takeoverPolicy: session.TakeoverPolicy.TAKEOVER,
    inputPreference: session.InputPreference.PRIMARY,
    graceSeconds: 30,
    ingest: { id: 'ingest-1', address: '' },
    role: control.PublishRole.PRIMARY,
    encoderId,
  });
  if (outcome.kind === 'refused') throw new Error(outcome.refusal);
  const live = at.open(outcome.record, DEFAULT_CHANNEL, () => undefined);
  live.writer.token = outcome.token;
  return { live, token: outcome.token, feed: new SessionFeed(live.session, clock) };
}

async function recordedPeriods(): Promise<readonly session.Period[]> {
  for await (const record of store.watch(AbortSignal.timeout(5000))) return record.periods;
  return [];
}

function unitsOf(ring: PeriodRing | undefined, trackId: number) {
  const cursor = ring?.seek(undefined);
  const entries: readonly RingEntry[] =
    (cursor === undefined ? undefined : ring?.read(cursor, Infinity)) ?? [];
  return entries.filter((entry) => entry.type === 'unit').filter((unit) => unit.trackId === trackId);
}

describe('a session that has moved to another ingest', () => {
  test('costs no memory once its workers had time to read on, has no age any more, and its readers are told', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'Date', 'setInterval'] });
    directory.start();
    const here = await publish(directory);
    for (let second = 0; second < 2; second += 1) here.feed.sendSecond();
    directory.report(clock.now());
    expect(directory.ringBytes).toBeGreaterThan(0);
    const ages = async (): Promise<unknown[]> =>
      (await registry.getSingleMetric('millrace_ingest_session_age_seconds')?.get())?.values ?? [];
    expect(await ages()).toHaveLength(1);

    const elsewhere = directoryOf();
    const there = await publish(elsewhere, 'encoder-2');
    there.feed.sendSecond();
    const { media } = here.live.session;
    while (media.ended !== 'moved') await turn();
    directory.report(clock.now());
    expect(await ages()).toEqual([]);
    expect(directory.ringBytes).toBeGreaterThan(0);

    jest.advanceTimersByTime(10_000);
    directory.report(clock.now());
    expect([media.bytes, media.isFreed, directory.ringBytes]).toEqual([0, true, 0]);
    expect(directory.get(here.live.session.id)?.media.ended).toBe('moved');
    elsewhere.stop();
    expect(await ages()).toEqual([]);
  });
});

describe('a session that goes on', () => {
  test('here after it was at another ingest has ordinals and segments behind those of the record', async () => {
    const here = await publish(directory);
    for (let second = 0; second < 2; second += 1) here.feed.sendSecond();
    here.live.session.endPublication();
    await here.live.writer.settled(AbortSignal.timeout(1000));

    const elsewhere = directoryOf();
    const there = await publish(elsewhere, 'encoder-2');
    for (let second = 0; second < 10; second += 1) there.feed.sendSecond();
    there.live.session.endPublication();
    await there.live.writer.settled(AbortSignal.timeout(1000));
    elsewhere.stop();
    const [, second] = await recordedPeriods();

    const again = await publish(directory);
    expect(again.live.session).not.toBe(here.live.session);
    expect([here.live.session.media.ended, here.live.session.media.bytes]).toEqual(['moved', 0]);
    again.feed.sendSecond();
    await again.live.writer.settled(AbortSignal.timeout(1000));
    const periods = await recordedPeriods();
    expect(periods.map(({ ordinal }) => ordinal)).toEqual([0, 1, 2]);
    expect(second?.lastK).toBeDefined();
    expect(periods[2]?.firstK).toBeGreaterThanOrEqual((second?.lastK ?? Infinity) + 2);
    expect(directory.get(again.live.session.id)).toBe(again.live.session);
  });

  test('here while nobody else had it is the same session', async () => {
    const first = await publish(directory);
    first.feed.sendSecond();
    const second = await publish(directory);
    expect(second.live).toBe(first.live);
  });

  test.each<[string, SessionChange, number]>([
    [
      'with the last segment of a period that has ended',
      { endPeriod: { ordinal: 6, lastK: 1_795_000_040 } },
      42,
    ],
    ['with the newest segment that was begun', { currentK: 1_795_000_050 }, 52],
  ])(
    'from a process that did not come to plan its presentation goes on behind it: %s',
    async (_, change, firstK) => {
      const lost = await publish(directoryOf());
      const openPeriod = { ...periodOf(['video', 'audio'], 6), firstK: 1_795_000_030 };
      await store.update(channel, lost.token, { openPeriod });
      await store.update(channel, lost.token, change);
      const { live, feed } = await publish(directory);
      feed.sendSecond();
      await live.writer.settled(AbortSignal.timeout(1000));
      expect((await recordedPeriods()).at(-1)).toMatchObject({ ordinal: 7, firstK: 1_795_000_000 + firstK });
    },
  );

  test('with audio that comes late has it from the first sample on: silence until it comes, then the audio itself', async () => {
    const first = await publish(directoryOf());
    first.feed.sendSecond();
    first.feed.sendSecond();
    first.live.session.endPublication();
    await first.live.writer.settled(AbortSignal.timeout(1000));

    const { live, feed } = await publish(directory);
    for (let second = 0; second < 3; second += 1) feed.sendSecond('video');
    const ring = live.session.media.ringOf(1);
    // Nothing has been heard of audio; the record says that there is some.
    expect(ring?.period.tracks.map(({ kind }) => kind)).toEqual([
      session.TrackKind.VIDEO,
      session.TrackKind.AUDIO,
    ]);
    for (let second = 0; second < 3; second += 1) feed.sendSecond();
    const [video, audio] = [unitsOf(ring, 1), unitsOf(ring, 2)];
    expect(video.every(({ isFiller }) => !isFiller)).toBe(true);
    const startSamples = Math.round(((ring?.period.startTicks ?? 0) / 90_000) * 48_000);
    // On the exact grid from the period's first boundary on, without a hole and without anything twice.
    expect(audio[0]?.dts).toBeGreaterThanOrEqual(startSamples);
    expect(audio[0]?.dts).toBeLessThan(startSamples + 1024);
    for (const [index, { dts }] of audio.entries()) expect(dts).toBe((audio[0]?.dts ?? 0) + index * 1024);
    const firstReal = audio.findIndex(({ isFiller }) => !isFiller);
    expect(audio.slice(firstReal).every(({ isFiller }) => !isFiller)).toBe(true);
    // It came three seconds late, to within a frame or two.
    expect(Math.abs((audio[firstReal]?.dts ?? 0) - startSamples - 3 * 48_000)).toBeLessThanOrEqual(3 * 1024);
    const silence = audio.slice(0, firstReal).map(({ data }) => Buffer.from(data).toString('hex'));
    expect(new Set(silence).size).toBe(1);
    const end = ({ dts, duration }: { dts: number; duration: number }, timescale: number): number =>
      (dts + duration) / timescale;
    const [lastVideo, lastAudio] = [video.at(-1), audio.at(-1)];
    if (lastVideo === undefined || lastAudio === undefined) throw new Error('no media');
    expect(Math.abs(end(lastVideo, 90_000) - end(lastAudio, 48_000))).toBeLessThan(0.1);
  });
});
