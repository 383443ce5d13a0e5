import { afterEach, describe, expect, test } from '@jest/globals';
import { relay, session } from '@millrace/contracts';
import type { MillraceEvent } from '@millrace/contracts';
import {
  joinLengthPrefixed,
  marshalVideoTag,
  parseAvcDecoderConfiguration,
  parseVideoTag,
  splitLengthPrefixed,
} from '@millrace/media';
import type { FlvTag } from '@millrace/media';
import { Encoder, readFlv } from './testing/encoder.ts';
import { keyOf, readPeriod, startFixture } from './testing/fixture.ts';
import type { IngestFixture } from './testing/fixture.ts';

const FEED = readFlv(new URL('../../../packages/media/src/testdata/b-frames.flv', import.meta.url));
const VIDEO = FEED.filter(({ type }) => type === 'video');
const AUDIO = FEED.filter(({ type }) => type === 'audio');

let fixture: IngestFixture | undefined;
const encoders: Encoder[] = [];

async function start(
  channel: Partial<session.Channel> = {},
): Promise<{ running: IngestFixture; encoder: Encoder }> {
  const running = await startFixture({ channel });
  fixture = running;
  const encoder = new Encoder(running.port, { streamKey: keyOf('news') });
  encoders.push(encoder);
  await encoder.isPublishing;
  return { running, encoder };
}

/** The data of an event, loosely: the tests look at single fields only. */
interface Seen {
  readonly sessionId: string;
  readonly period?: session.Period;
  readonly presentation?: session.Presentation;
}

async function waitFor(
  running: IngestFixture,
  type: MillraceEvent['type'],
  fits: (data: Seen) => boolean = () => true,
): Promise<Seen> {
  const seenOf = ({ data }: MillraceEvent): Seen => data as Seen;
  return seenOf(await running.waitForEvent((event) => event.type === type && fits(seenOf(event))));
}

/** The first IDR again, `atMs`, with these parameter sets in it. */
function idrWith(atMs: number, change: (pps: Uint8Array) => Uint8Array): FlvTag {
  const header = parseVideoTag(VIDEO[0]?.body ?? Buffer.alloc(0));
  const idr = parseVideoTag(VIDEO[1]?.body ?? Buffer.alloc(0));
  if (header.kind !== 'configuration' || idr.kind !== 'frame') throw new Error('another feed');
  const { sequenceParameterSets, pictureParameterSets } = parseAvcDecoderConfiguration(header.config);
  const nals = [
    ...sequenceParameterSets,
    ...pictureParameterSets.map(change),
    ...splitLengthPrefixed(idr.data, 4),
  ];
  const body = marshalVideoTag({ ...idr, data: joinLengthPrefixed(nals, 4) });
  return { type: 'video', timestampMs: atMs, body };
}

afterEach(async () => {
  for (const encoder of encoders.splice(0)) encoder.kill();
  await fixture?.stop();
  fixture = undefined;
});

describe('tracks of a session', () => {
  test('video alone opens half a second after its first IDR; audio that nobody announced is dropped, with an event', async () => {
    const { running, encoder } = await start();
    encoder.send(VIDEO);
    const { period, sessionId } = await waitFor(running, 'PeriodOpened');
    expect(period?.tracks.map(({ kind }) => kind)).toEqual([session.TrackKind.VIDEO]);
    encoder.send(AUDIO);
    const warning = await waitFor(running, 'InputWarning');
    expect(warning).toMatchObject({ id: 'INGEST_AUDIO_UNANNOUNCED', sessionId });
    const id = 'INGEST_AUDIO_UNANNOUNCED';
    expect(await running.metric('millrace_ingest_input_warnings_total', { id })).toBeGreaterThanOrEqual(1);
    encoder.kill();
    const { fragments } = await readPeriod(running.ingest, { sessionId, period: 0 });
    expect(new Set(fragments.map(({ trackId }) => trackId))).toEqual(new Set([1]));
  });

  test('audio alone is a session too', async () => {
    const { running, encoder } = await start();
    encoder.send(AUDIO);
    const { period, sessionId } = await waitFor(running, 'PeriodOpened');
    expect(period?.tracks.map(({ kind }) => kind)).toEqual([session.TrackKind.AUDIO]);
    const { presentation } = await waitFor(running, 'SessionPrepared');
    expect(presentation?.renditions.map(({ id }) => id)).toEqual(['audio']);
    encoder.kill();
    const { fragments } = await readPeriod(running.ingest, { sessionId, period: 0 });
    expect(fragments.length).toBeGreaterThan(40);
  });

  test('what players read is fixed with the first segment, and written to the record before it is said', async () => {
    const { running, encoder } = await start();
    encoder.send(FEED);
    const { presentation, sessionId } = await waitFor(running, 'SessionPrepared');
    expect(presentation?.renditions.map(({ id }) => id)).toEqual(['360p', 'audio']);
    for await (const record of running.store.watch(AbortSignal.timeout(5000))) {
      if (record.sessionId === sessionId && record.presentation !== undefined) break;
    }
    encoder.send(FEED, 1000);
    encoder.send(FEED, 2000);
    const again = running.events.filter(({ type }) => type === 'SessionPrepared');
    expect(again).toHaveLength(1);
  });

  test('a source rung is decided by the first boundary after the first IDR', async () => {
    const source: session.Rung = {
      name: 'source',
      isSource: true,
      width: 0,
      height: 0,
      bitrateBps: 0,
      maxFrameRate: undefined,
    };
    const rung: session.Rung = {
      ...source,
      name: '360p',
      isSource: false,
      width: 640,
      height: 360,
      bitrateBps: 700_000,
    };
    const { running, encoder } = await start({ ladder: [source, rung] });
    encoder.send(FEED);
    await waitFor(running, 'PeriodOpened');
    expect(running.events.filter(({ type }) => type === 'SessionPrepared')).toEqual([]);
    encoder.send(FEED, 1000);
    const { presentation } = await waitFor(running, 'SessionPrepared');
    expect(presentation?.renditions.map(({ id }) => id)).toEqual(['source', '360p', 'audio']);
  });

  test('other parameter sets inside an IDR open a period; the same ones again do not', async () => {
    const { running, encoder } = await start();
    encoder.send(FEED);
    const { sessionId, period: first } = await waitFor(running, 'PeriodOpened');
    encoder.send(FEED, 1000);
    encoder.send([idrWith(2000, (pps) => pps)]);
    encoder.send(AUDIO.slice(1), 2000);
    encoder.send([idrWith(2040, (pps) => Buffer.concat([pps, Buffer.from([0x80])]))]);
    for (let index = 1; index < 20; index += 1)
      encoder.send([idrWith(2040 + index * 40, (pps) => Buffer.concat([pps, Buffer.from([0x80])]))]);
    const { period } = await waitFor(running, 'PeriodOpened', ({ period }) => period?.ordinal === 1);
    expect(period?.reason).toBe('configuration');
    expect(period?.tracks[0]?.decoderConfig).not.toEqual(first?.tracks[0]?.decoderConfig);
    const { fragments, end } = await readPeriod(running.ingest, { sessionId, period: 0 });
    expect(end).toBe(relay.EndReason.PERIOD_ENDED);
    expect(fragments.filter(({ trackId, isFiller }) => trackId === 1 && !isFiller)).toHaveLength(
      2 * (VIDEO.length - 2) + 1,
    );
  });

  test('a worker that asks for a period gets the one that begins at the next IDR, and it is in the record', async () => {
    const { running, encoder } = await start();
    encoder.send(FEED);
    const { sessionId } = await waitFor(running, 'PeriodOpened');
    const answer = running.ingest.relay.openPeriod({
      sessionId,
      leaseToken: 1,
      reason: 'init differs',
      afterPeriod: 0,
    });
    encoder.send(FEED, 1000);
    const { period } = await waitFor(running, 'PeriodOpened', ({ period }) => period?.ordinal === 1);
    expect(period?.reason).toBe('worker-request');
    expect(await answer).toEqual({ period: 1, firstK: period?.firstK });
    for await (const record of running.store.watch(AbortSignal.timeout(5000))) {
      if (record.sessionId !== sessionId) continue;
      expect(record.periods.map(({ ordinal, lastK }) => [ordinal, lastK === undefined])).toEqual([
        [0, false],
        [1, true],
      ]);
      break;
    }
  });

  test('a session that is not here has no period to open', async () => {
    const { running } = await start();
    await expect(
      running.ingest.relay.openPeriod({ sessionId: 'unknown', leaseToken: 1, reason: '', afterPeriod: 0 }),
    ).rejects.toMatchObject({ id: 'INGEST_SESSION_UNKNOWN' });
  });

  test('stopping tells the encoder to reconnect, and gives the channel up', async () => {
    const { running, encoder } = await start();
    encoder.send(FEED);
    const { sessionId } = await waitFor(running, 'PeriodOpened');
    const ended = encoder.end;
    await running.stop();
    fixture = undefined;
    expect(await ended).toMatchObject({
      kind: 'rejected',
      description: expect.stringContaining('reconnect'),
    });
    for await (const record of running.store.watch(AbortSignal.timeout(5000))) {
      if (record.sessionId !== sessionId) continue;
      expect(record.state).toBe(session.SessionState.GAP);
      expect(record.periods.at(-1)?.lastK).toBeDefined();
      break;
    }
  });
});
