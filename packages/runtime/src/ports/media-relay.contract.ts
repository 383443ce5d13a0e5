import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { relay } from '@millrace/contracts';
import { RelayReading } from '../testing/relay-reading.ts';
import type { MediaRelay } from './media-relay.ts';

/**
 * An ingest behind its port with one live session of which no period has begun, SEG 1 s. Its encoder sends H.264 (track 1,
 * timescale 90000) with an IDR at least every second, and AAC at 48 kHz (track 2). The ring holds 4 s and no more than 8 s of it.
 */
export interface MediaRelayFixture {
  readonly relay: MediaRelay;
  readonly sessionId: string;
  /** The encoder sends so many whole seconds more, the first of a publication beginning a period. */
  send(seconds: number): Promise<void>;
  /** The encoder goes, and its period ends; the next `send` is another publication. */
  endPublication(): Promise<void>;
  /** The session's record says `ended`; resolves once ingest has read it. */
  endSession(): Promise<void>;
  /** The session's record has a period that another ingest began; resolves once ingest has read it. */
  moveSession(): Promise<void>;
  /** Subscriptions that ingest serves. */
  subscriptions(): Promise<number>;
  stop(): Promise<void>;
}

const VIDEO = 1;
const { PERIOD_ENDED, SESSION_ENDED, MOVED, LAGGED } = relay.EndReason;

/** The rules that every media relay keeps. */
export function describeMediaRelay(name: string, create: () => Promise<MediaRelayFixture>): void {
  describe(`media relay: ${name}`, () => {
    let fixture: MediaRelayFixture | undefined;
    const readings: RelayReading[] = [];

    afterEach(async () => {
      await Promise.all(readings.splice(0).map((reading) => reading.leave()));
      await fixture?.stop();
      fixture = undefined;
    });

    async function start(): Promise<MediaRelayFixture> {
      fixture = await create();
      return fixture;
    }

    function subscribe(
      { relay: port, sessionId }: MediaRelayFixture,
      request: Partial<relay.SubscribeRequest> = {},
      signal = new AbortController().signal,
    ): RelayReading {
      const reading = new RelayReading(port.subscribe({ sessionId, period: 0, ...request }, signal));
      readings.push(reading);
      return reading;
    }

    describe('a subscription', () => {
      test('begins with the period and its tracks, goes on with all access units, and says the end last', async () => {
        const ingest = await start();
        await ingest.send(3);
        await ingest.endPublication();
        const { kinds, period, fragments, end } = await subscribe(ingest).toEnd();
        expect(kinds[0]).toBe('period');
        expect(kinds.filter((kind) => kind === 'period')).toHaveLength(1);
        expect(kinds.at(-1)).toBe('end');
        expect(end).toBe(PERIOD_ENDED);
        expect(period).toMatchObject({ ordinal: 0, reason: 'first' });
        expect(period?.tracks.map(({ trackId, timescale }) => [trackId, timescale])).toEqual([
          [1, 90_000],
          [2, 48_000],
        ]);
        expect(period?.tracks.every(({ decoderConfig }) => decoderConfig.length > 0)).toBe(true);
        const video = fragments.filter(({ trackId }) => trackId === VIDEO);
        expect(video[0]).toMatchObject({ dts: period?.startTicks, isRandomAccess: true });
        for (const { trackId, timescale } of period?.tracks ?? []) {
          const track = fragments.filter((fragment) => fragment.trackId === trackId);
          const seconds = track.reduce((sum, { duration }) => sum + duration, 0) / timescale;
          expect(Math.round(seconds)).toBe(3);
          // In decode order, each where the one before ends: nothing is left out, nothing comes twice.
          for (const [index, { dts, duration }] of track.slice(0, -1).entries())
            expect(track[index + 1]?.dts).toBe(dts + duration);
        }
      });

      test('gives every access unit as moof and mdat, with its time', async () => {
        const ingest = await start();
        await ingest.send(1);
        await ingest.endPublication();
        for (const { data, trackId, dts } of (await subscribe(ingest).toEnd()).fragments) {
          const bytes = Buffer.from(data);
          expect(bytes.toString('latin1', 4, 8)).toBe('moof');
          const moofBytes = bytes.readUInt32BE(0);
          expect(bytes.toString('latin1', moofBytes + 4, moofBytes + 8)).toBe('mdat');
          expect(moofBytes + bytes.readUInt32BE(moofBytes)).toBe(bytes.length);
          const tfhd = bytes.indexOf('tfhd', 0, 'latin1');
          expect(bytes.readUInt32BE(tfhd + 8)).toBe(trackId);
          const tfdt = bytes.indexOf('tfdt', 0, 'latin1');
          expect(bytes[tfdt + 4]).toBe(1);
          expect(bytes.readBigUInt64BE(tfdt + 8)).toBe(BigInt(dts));
        }
      });

      test('gives the wall clock of a segment in front of its first access unit', async () => {
        const ingest = await start();
        await ingest.send(3);
        await ingest.endPublication();
        const { period, seen, fragments } = await subscribe(ingest).toEnd();
        const firstK = period?.firstK ?? 0;
        for (const { fragment, newestK } of seen) {
          const seconds = fragment.dts / (fragment.trackId === VIDEO ? 90_000 : 48_000);
          expect(newestK).toBeGreaterThanOrEqual(Math.floor(seconds + 0.0005));
        }
        expect(seen).toHaveLength(fragments.length);
        expect(seen[0]?.newestK).toBe(firstK);
      });

      test('to a period that has not begun waits for it', async () => {
        const ingest = await start();
        const reading = subscribe(ingest);
        const first = reading.next();
        await ingest.send(1);
        expect(await first).toMatchObject({ $case: 'period', value: { ordinal: 0 } });
      });

      test('follows what comes', async () => {
        const ingest = await start();
        await ingest.send(1);
        const reading = subscribe(ingest);
        await reading.until((read) => read.videoSeconds > 0.5);
        await ingest.send(2);
        expect((await reading.until((read) => read.videoSeconds > 2.5)).end).toBeUndefined();
        await ingest.endPublication();
        expect((await reading.toEnd()).end).toBe(PERIOD_ENDED);
      });

      test('gives everyone the same', async () => {
        const ingest = await start();
        await ingest.send(1);
        const early = subscribe(ingest);
        await early.until((read) => read.videoSeconds > 0.5);
        await ingest.send(1);
        await ingest.endPublication();
        const [first, second] = await Promise.all([early.toEnd(), subscribe(ingest).toEnd()]);
        const unitsOf = ({ fragments }: typeof first): unknown =>
          fragments.map(({ data, ...rest }) => ({ ...rest, bytes: data.length }));
        expect(unitsOf(first)).toEqual(unitsOf(second));
      });

      test('to a period that is not the session’s newest gets that one', async () => {
        const ingest = await start();
        await ingest.send(1);
        await ingest.endPublication();
        await ingest.send(1);
        const next = subscribe(ingest, { period: 1 });
        expect((await next.until((read) => read.videoSeconds > 0.5)).period?.ordinal).toBe(1);
        const before = await subscribe(ingest).toEnd();
        expect([before.period?.ordinal, before.end]).toEqual([0, PERIOD_ENDED]);
      });
    });

    describe('a position', () => {
      test.each([
        ['within a GOP begins at its IDR', 1.4],
        ['at an IDR begins there', 2],
        ['behind the newest begins at the last IDR', 1000],
        ['in front of the period begins at its first IDR', -1000],
      ])('%s', async (_, seconds) => {
        const ingest = await start();
        await ingest.send(3);
        await ingest.endPublication();
        const whole = await subscribe(ingest).toEnd();
        const startTicks = whole.period?.startTicks ?? 0;
        const fromTicks = startTicks + Math.round(seconds * 90_000);
        const idrs = whole.fragments
          .filter(({ trackId, isRandomAccess }) => trackId === VIDEO && isRandomAccess)
          .map(({ dts }) => dts);
        const { fragments, seen, period, end } = await subscribe(ingest, { fromTicks }).toEnd();
        const video = fragments.filter(({ trackId }) => trackId === VIDEO);
        const wanted = idrs.findLast((dts) => dts <= fromTicks) ?? startTicks;
        expect(video[0]).toMatchObject({ dts: wanted, isRandomAccess: true });
        expect(video.at(-1)?.dts).toBe(whole.fragments.findLast(({ trackId }) => trackId === VIDEO)?.dts);
        expect([period?.ordinal, end]).toEqual([0, PERIOD_ENDED]);
        const audio = fragments.find(({ trackId }) => trackId !== VIDEO)?.dts ?? 0;
        const isWhole = wanted === startTicks;
        // A decoder of AAC needs two frames before the first that counts.
        if (!isWhole) expect(audio).toBeLessThanOrEqual((wanted / 90_000) * 48_000 - 2 * 1024);
        // The wall clock of the segment in which the reading begins is known in front of it.
        expect(seen[0]?.newestK).toBeGreaterThanOrEqual(Math.floor(audio / 48_000));
      });
    });

    describe('the end', () => {
      test('of a period comes after its last access unit, to whoever follows and whoever comes later', async () => {
        const ingest = await start();
        await ingest.send(2);
        const following = subscribe(ingest);
        await following.until((read) => read.videoSeconds > 1);
        await ingest.endPublication();
        const [followed, late] = await Promise.all([following.toEnd(), subscribe(ingest).toEnd()]);
        expect([followed.end, late.end]).toEqual([PERIOD_ENDED, PERIOD_ENDED]);
        expect(followed.fragments.length).toBe(late.fragments.length);
      });

      test('of the session reaches whoever awaits a period, and whoever comes later', async () => {
        const ingest = await start();
        await ingest.send(1);
        await ingest.endPublication();
        const awaiting = subscribe(ingest, { period: 1 });
        const awaited = awaiting.toEnd();
        await ingest.endSession();
        expect((await awaited).kinds).toEqual(['end']);
        expect((await awaited).end).toBe(SESSION_ENDED);
        expect((await subscribe(ingest, { period: 1 }).toEnd()).end).toBe(SESSION_ENDED);
      });

      test('of the session comes after all that is retained', async () => {
        const ingest = await start();
        await ingest.send(2);
        await ingest.endPublication();
        const whole = await subscribe(ingest).toEnd();
        const slow = subscribe(ingest);
        expect((await slow.next())?.$case).toBe('period');
        await ingest.endSession();
        const [rest, late] = await Promise.all([slow.toEnd(), subscribe(ingest).toEnd()]);
        expect([rest.end, late.end]).toEqual([SESSION_ENDED, SESSION_ENDED]);
        expect([rest.fragments.length, late.fragments.length]).toEqual(
          Array.from({ length: 2 }, () => whole.fragments.length),
        );
      });

      test('is MOVED for periods that another ingest begins; those from here can still be read', async () => {
        const ingest = await start();
        await ingest.send(2);
        await ingest.endPublication();
        const awaited = subscribe(ingest, { period: 1 }).toEnd();
        await ingest.moveSession();
        expect((await awaited).end).toBe(MOVED);
        expect((await subscribe(ingest, { period: 1 }).toEnd()).end).toBe(MOVED);
        const held = await subscribe(ingest).toEnd();
        expect([held.end, held.videoSeconds > 1]).toEqual([PERIOD_ENDED, true]);
      });

      test('is LAGGED for a position that the ring does not hold any more, in front of any access unit', async () => {
        const ingest = await start();
        await ingest.send(1);
        const first = await subscribe(ingest).until((read) => read.period !== undefined);
        for (let second = 0; second < 20; second += 1) await ingest.send(1);
        const { end, fragments } = await subscribe(ingest, {
          fromTicks: first.period?.startTicks ?? 0,
        }).toEnd();
        expect([end, fragments.length]).toEqual([LAGGED, 0]);
        expect((await subscribe(ingest).toEnd()).end).toBe(LAGGED);
        const recent = (first.period?.startTicks ?? 0) + 18 * 90_000;
        const held = await subscribe(ingest, { fromTicks: recent }).until((read) => read.videoSeconds > 0.5);
        expect(held.end).toBeUndefined();
      });
    });

    describe('a session that is not here', () => {
      const unknown = { code: 'NOT_FOUND', id: 'INGEST_SESSION_UNKNOWN' };

      test('cannot be subscribed to', async () => {
        const reading = subscribe(await start(), { sessionId: 'not-heard-of' });
        await expect(reading.toEnd()).rejects.toMatchObject(unknown);
      });

      test('opens no period', async () => {
        const { relay: port } = await start();
        const request = { sessionId: 'not-heard-of', leaseToken: 1, reason: 'test', afterPeriod: 0 };
        await expect(port.openPeriod(request)).rejects.toMatchObject(unknown);
      });
    });

    describe('an abort', () => {
      test.each(['before', 'while the period is awaited', 'while it is followed'])(
        '%s ends the subscription without an error and frees it',
        async (when) => {
          const ingest = await start();
          if (when.includes('followed')) await ingest.send(1);
          const abort = new AbortController();
          if (when === 'before') abort.abort();
          const reading = subscribe(ingest, {}, abort.signal);
          const ended = reading.toEnd();
          if (when !== 'before') {
            await waitUntil(async () => (await ingest.subscriptions()) === 1);
            abort.abort();
          }
          expect((await ended).end).toBeUndefined();
          await waitUntil(async () => (await ingest.subscriptions()) === 0);
        },
      );

      test('of the reading itself frees the subscription', async () => {
        const ingest = await start();
        await ingest.send(1);
        const reading = subscribe(ingest);
        await reading.until((read) => read.videoSeconds > 0.5);
        expect(await ingest.subscriptions()).toBe(1);
        await reading.leave();
        await waitUntil(async () => (await ingest.subscriptions()) === 0);
      });
    });

    describe('a new period that a worker asks for', () => {
      const leaseToken = 1;

      test('begins at the next IDR; the one before ends, and the answer says which it is', async () => {
        const ingest = await start();
        const { relay: port, sessionId } = ingest;
        await ingest.send(1);
        const before = subscribe(ingest);
        await before.until((read) => read.videoSeconds > 0.5);
        const opening = port.openPeriod({ sessionId, leaseToken, reason: 'init differs', afterPeriod: 0 });
        let isOpened = false;
        const opened = opening.finally(() => (isOpened = true));
        const rest = before.toEnd();
        await waitUntil(async () => {
          if (!isOpened) await ingest.send(1);
          return isOpened;
        });
        const answer = await opened;
        expect(answer.period).toBe(1);
        expect((await rest).end).toBe(PERIOD_ENDED);
        const { period } = await subscribe(ingest, { period: 1 }).until((read) => read.period !== undefined);
        expect(period).toMatchObject({ ordinal: 1, firstK: answer.firstK, reason: 'worker-request' });
      });

      test('is the one that has begun since, where there is one: no other is opened', async () => {
        const ingest = await start();
        const { relay: port, sessionId } = ingest;
        await ingest.send(1);
        await ingest.endPublication();
        await ingest.send(1);
        const { period } = await subscribe(ingest, { period: 1 }).until((read) => read.period !== undefined);
        const request = { sessionId, leaseToken, reason: 'ingest no longer holds it', afterPeriod: 0 };
        expect(await port.openPeriod(request)).toEqual({ period: 1, firstK: period?.firstK });
        await ingest.send(2);
        await ingest.endPublication();
        await ingest.endSession();
        const read = await subscribe(ingest, { period: 1 }).toEnd();
        expect([read.end, Math.round(read.videoSeconds)]).toEqual([SESSION_ENDED, 3]);
      });

      test.each([
        ['is over', 'endSession', 'INGEST_SESSION_ENDED'],
        ['has moved', 'moveSession', 'INGEST_SESSION_MOVED'],
      ] as const)('is refused when the session %s', async (_, step, id) => {
        const ingest = await start();
        const { relay: port, sessionId } = ingest;
        await ingest.send(1);
        await ingest.endPublication();
        const opening = port.openPeriod({ sessionId, leaseToken, reason: 'test', afterPeriod: 0 });
        const refusal = expect(opening).rejects.toMatchObject({ code: 'FAILED_PRECONDITION', id });
        await ingest[step]();
        await refusal;
      });
    });
  });
}

/** Waits for what comes by itself, turn by turn. */
async function waitUntil(holds: () => Promise<boolean>): Promise<void> {
  const deadline = AbortSignal.timeout(4000);
  while (!(await holds())) {
    if (deadline.aborted) throw new Error('what was waited for did not come');
    await turn();
  }
}
