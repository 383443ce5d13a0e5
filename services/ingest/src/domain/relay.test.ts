import { beforeEach, describe, expect, test } from '@jest/globals';
import { relay } from '@millrace/contracts';
import { parseFragment } from '@millrace/media';
import { Counter, Gauge, Registry } from 'prom-client';
import { START_TICKS, audioUnit, periodOf, videoUnit } from '../testing/units.ts';
import type { IngestSession } from './ingest-session.ts';
import { Relay } from './relay.ts';
import { SessionMedia } from './session-media.ts';
import { SLAB_BYTES, SlabPool } from './slab-pool.ts';

type Payload = NonNullable<relay.SubscribeResponse['payload']>;

let media: SessionMedia;
let served: Relay;
let lagged: Counter;

beforeEach(() => {
  // One slab that is used again at once: whoever still looked at it would see other media.
  media = new SessionMedia({ seconds: 1, maxBytes: 600_000 }, new SlabPool(SLAB_BYTES), -1);
  const registers = [new Registry()];
  lagged = new Counter({ name: 'millrace_ingest_lagged_subscribers_total', help: 'Test.', registers });
  served = relayOf(media);
});

/** A relay of one session, `s1`, whose media these are; `s0` is over and forgotten. */
function relayOf(kept: SessionMedia): Relay {
  const session = { media: kept } as unknown as IngestSession;
  const subscriptions = new Gauge({ name: 'open', help: 'Test.', registers: [] });
  const sessions = {
    get: (id: string) => (id === 's1' ? session : undefined),
    hasEnded: (id: string) => id === 's0',
  };
  return new Relay({ sessions, lagged, subscriptions });
}

function subscribe(
  request: Partial<relay.SubscribeRequest> = {},
  signal = AbortSignal.timeout(5000),
): AsyncIterator<relay.SubscribeResponse> {
  return served.subscribe({ sessionId: 's1', period: 0, ...request }, signal)[Symbol.asyncIterator]();
}

async function next(reading: AsyncIterator<relay.SubscribeResponse>): Promise<Payload | undefined> {
  const result = await reading.next();
  return result.done === true ? undefined : result.value.payload;
}

const endOf = (reason: relay.EndReason): Payload => ({ $case: 'end', value: { reason } });

describe('relay', () => {
  test('a period that has not begun is awaited', async () => {
    const reading = subscribe();
    const first = next(reading);
    media.openPeriod(periodOf(['video']));
    expect(await first).toMatchObject({ $case: 'period', value: { ordinal: 0 } });
  });

  test('gives out wall clocks in front of their segments, and all that is ready in one message', async () => {
    media.openPeriod(periodOf(['video', 'audio']));
    media.append({ type: 'segment-started', k: 5, utcOffsetUs: -7 });
    for (let index = 0; index < 3; index += 1) {
      media.append(videoUnit(index));
      media.append(audioUnit(index));
    }
    media.append({ type: 'segment-started', k: 6, utcOffsetUs: -8 });
    media.append(videoUnit(3));
    const reading = subscribe();
    expect((await next(reading))?.$case).toBe('period');
    expect(await next(reading)).toEqual({ $case: 'wallClock', value: { k: 5, utcOffsetUs: -7 } });
    const batch = await next(reading);
    expect(batch?.$case === 'fragments' ? batch.value.fragments.map(({ trackId }) => trackId) : []).toEqual([
      1, 2, 1, 2, 1, 2,
    ]);
    expect(await next(reading)).toEqual({ $case: 'wallClock', value: { k: 6, utcOffsetUs: -8 } });
    expect((await next(reading))?.$case).toBe('fragments');
  });

  test('a fragment is moof and mdat with the very numbers it says', async () => {
    media.openPeriod(periodOf(['video']));
    media.append(videoUnit(0, 25, 5000));
    const reading = subscribe();
    await next(reading);
    const batch = await next(reading);
    const [fragment] = batch?.$case === 'fragments' ? batch.value.fragments : [];
    const parsed = parseFragment(fragment?.data ?? Buffer.alloc(0));
    const { compositionOffset, duration, data } = videoUnit(0, 25, 5000);
    expect(parsed).toMatchObject({ trackId: 1, baseMediaDecodeTime: START_TICKS });
    expect(parsed.samples).toHaveLength(1);
    expect(parsed.samples[0]).toMatchObject({ compositionOffset, duration, isSync: true });
    expect(Buffer.compare(parsed.samples[0]?.data ?? Buffer.alloc(0), data)).toBe(0);
    expect(fragment).toMatchObject({ dts: START_TICKS, compositionOffset, duration, isRandomAccess: true });
  });

  test('what was given out stays as it was while the ring goes on over it', async () => {
    media.openPeriod(periodOf(['video']));
    for (let index = 0; index < 4; index += 1) media.append(videoUnit(index, 1, 100_000));
    const reading = subscribe();
    await next(reading);
    const batch = await next(reading);
    for (let index = 4; index < 40; index += 1) media.append(videoUnit(index, 1, 100_000));
    const fragments = batch?.$case === 'fragments' ? batch.value.fragments : [];
    expect(fragments.map(({ data }) => data.at(-1))).toEqual([0, 1, 2, 3]);
  });

  test('a large backlog comes in messages of about a megabyte', async () => {
    media = new SessionMedia({ seconds: 20, maxBytes: 64 * 1024 ** 2 }, new SlabPool(0), -1);
    const large = relayOf(media);
    media.openPeriod(periodOf(['video']));
    for (let index = 0; index < 100; index += 1) media.append(videoUnit(index, 25, 100_000));
    media.endPeriod();
    const sizes: number[] = [];
    for await (const { payload } of large.subscribe(
      { sessionId: 's1', period: 0 },
      AbortSignal.timeout(5000),
    )) {
      if (payload?.$case === 'fragments') sizes.push(payload.value.fragments.length);
    }
    expect(Math.max(...sizes)).toBeLessThanOrEqual(11);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(100);
  });

  test('the end of a period comes after its last access unit', async () => {
    media.openPeriod(periodOf(['video']));
    media.append(videoUnit(0));
    const reading = subscribe();
    await next(reading);
    expect((await next(reading))?.$case).toBe('fragments');
    const last = next(reading);
    media.endPeriod();
    expect(await last).toEqual(endOf(relay.EndReason.PERIOD_ENDED));
    expect(await next(reading)).toBeUndefined();
  });

  test.each([
    ['session-ended', relay.EndReason.SESSION_ENDED],
    ['moved', relay.EndReason.MOVED],
  ] as const)('memory that is freed under its readers tells them why: %s', async (ended, reason) => {
    media.openPeriod(periodOf(['video']));
    media.append(videoUnit(0));
    const [slow, awaiting] = [subscribe(), subscribe({ period: 1 })];
    await next(slow);
    const awaited = next(awaiting);
    media.end(ended);
    expect(await awaited).toEqual(endOf(reason));
    media.free();
    expect(await next(slow)).toEqual(endOf(reason));
    expect(await next(subscribe())).toEqual(endOf(reason));
    expect(media.bytes).toBe(0);
  });

  test('a session that is over and forgotten is still over', async () => {
    expect(await next(subscribe({ sessionId: 's0' }))).toEqual(endOf(relay.EndReason.SESSION_ENDED));
    const opening = served.openPeriod({ sessionId: 's0', leaseToken: 1, reason: 'test', afterPeriod: 0 });
    await expect(opening).rejects.toMatchObject({ id: 'INGEST_SESSION_ENDED' });
  });

  test('nothing begins in a session that has moved', () => {
    media.end('moved');
    media.openPeriod(periodOf(['video']));
    media.append(videoUnit(0));
    expect([media.newestOrdinal, media.bytes]).toEqual([-1, 0]);
  });

  test('a reader that the ring has passed has lagged, and is counted', async () => {
    media.openPeriod(periodOf(['video']));
    media.append(videoUnit(0, 1));
    const reading = subscribe();
    await next(reading);
    await next(reading);
    for (let index = 1; index < 50; index += 1) media.append(videoUnit(index, 1, 100_000));
    expect(await next(reading)).toEqual(endOf(relay.EndReason.LAGGED));
    expect(await next(subscribe({ fromTicks: START_TICKS }))).toEqual(endOf(relay.EndReason.LAGGED));
    expect((await lagged.get()).values[0]?.value).toBe(2);
  });

  test('a period that is forgotten has been passed too', async () => {
    for (let ordinal = 0; ordinal < 6; ordinal += 1) media.openPeriod(periodOf(['video'], ordinal));
    expect(await next(subscribe({ period: 1 }))).toEqual(endOf(relay.EndReason.LAGGED));
    expect((await next(subscribe({ period: 5 })))?.$case).toBe('period');
  });

  test('aborting ends it without an error', async () => {
    media.openPeriod(periodOf(['video']));
    const abort = new AbortController();
    const [following, awaiting] = [subscribe({}, abort.signal), subscribe({ period: 9 }, abort.signal)];
    await next(following);
    const ends = [next(following), next(awaiting)];
    abort.abort();
    expect(await Promise.all(ends)).toEqual([undefined, undefined]);
  });
});
