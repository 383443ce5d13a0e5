import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { session } from '@millrace/contracts';
import type { MillraceEvent } from '@millrace/contracts';
import type { EventEnvelope } from '@millrace/runtime';
import { Encoder, readFlv } from './testing/encoder.ts';
import { keyOf, startFixture } from './testing/fixture.ts';
import type { IngestFixture } from './testing/fixture.ts';

const FEED = readFlv(new URL('../../../packages/media/src/testdata/b-frames.flv', import.meta.url));
const ULID = /^[0-9A-HJKMNP-TV-Z]{26}$/;
const LOCALHOST = expect.stringMatching(/^(::ffff:)?127\.0\.0\.1$/);

let fixture: IngestFixture;
let envelopes: EventEnvelope[];
const encoders: Encoder[] = [];

async function start(channel: Partial<session.Channel> = {}): Promise<void> {
  fixture = await startFixture({ channel });
  envelopes = [];
  fixture.bus.subscribe((envelope) => void envelopes.push(envelope));
}

async function publish(options: ConstructorParameters<typeof Encoder>[1]): Promise<Encoder> {
  const encoder = new Encoder(fixture.port, options);
  encoders.push(encoder);
  await encoder.isPublishing;
  return encoder;
}

/** The only event of a type, once it is there. */
async function only(type: MillraceEvent['type']): Promise<EventEnvelope> {
  await fixture.waitForEvent((event) => event.type === type);
  const found = envelopes.filter(({ event }) => event.type === type);
  expect(found).toHaveLength(1);
  const [envelope] = found;
  if (envelope === undefined) throw new Error(`no ${type}`);
  return envelope;
}

function fieldsOf({ event }: EventEnvelope): Record<string, unknown> {
  return { ...event.data };
}

beforeEach(() => start());

afterEach(async () => {
  for (const encoder of encoders.splice(0)) encoder.kill();
  await fixture.stop();
});

describe('events of ingest', () => {
  test('a session from its opening to the loss of its publication: each is said once, in order, with all its fields', async () => {
    const encoder = await publish({ streamKey: keyOf('news'), name: 'OBS 30' });
    encoder.send(FEED);
    const opened = await only('SessionOpened');
    const sessionId = String(fieldsOf(opened)['sessionId']);
    expect(sessionId).toMatch(ULID);
    expect(fieldsOf(opened)).toEqual({ channel: 'news', sessionId });
    const started = fieldsOf(await only('PublicationStarted'));
    expect(started).toEqual({
      channel: 'news',
      sessionId,
      token: expect.any(Number),
      remoteAddress: LOCALHOST,
      encoder: 'OBS 30',
      isTakeover: false,
    });
    const period = fieldsOf(await only('PeriodOpened'));
    expect(period).toMatchObject({
      channel: 'news',
      sessionId,
      period: { ordinal: 0, reason: 'first', firstK: expect.any(Number), startTicks: expect.any(Number) },
    });
    expect(
      (period['period'] as session.Period).tracks.map(({ trackId, kind, timescale }) => [
        trackId,
        kind,
        timescale,
      ]),
    ).toEqual([
      [1, session.TrackKind.VIDEO, 90_000],
      [2, session.TrackKind.AUDIO, 48_000],
    ]);
    const prepared = fieldsOf(await only('SessionPrepared'));
    expect(prepared).toMatchObject({ channel: 'news', sessionId });
    expect((prepared['presentation'] as session.Presentation).renditions.map(({ id }) => id)).toEqual([
      '360p',
      'audio',
    ]);
    encoder.kill();
    const lost = fieldsOf(await only('PublicationLost'));
    expect(lost).toEqual({ channel: 'news', sessionId, token: started['token'], reason: 'closed' });
    expect(envelopes.map(({ event }) => event.type)).toEqual([
      'SessionOpened',
      'PublicationStarted',
      'PeriodOpened',
      'SessionPrepared',
      'PublicationLost',
    ]);
    for (const { source, subject, channel, timeMs } of envelopes) {
      expect({ source, subject, channel }).toEqual({
        source: '/ingest/test',
        subject: sessionId,
        channel: 'news',
      });
      expect(Math.abs(timeMs - Date.now())).toBeLessThan(60_000);
    }
    expect(new Set(envelopes.map(({ id }) => id)).size).toBe(envelopes.length);
  });

  test('a takeover: the older publication is lost, the newer one says that it replaced it', async () => {
    const first = await publish({ streamKey: keyOf('news'), name: 'first' });
    await publish({ streamKey: keyOf('news'), name: 'second' });
    await first.end;
    const started = envelopes.filter(({ event }) => event.type === 'PublicationStarted').map(fieldsOf);
    expect(started.map(({ encoder, isTakeover }) => [encoder, isTakeover])).toEqual([
      ['first', false],
      ['second', true],
    ]);
    expect(Number(started[1]?.['token'])).toBeGreaterThan(Number(started[0]?.['token']));
    expect(started[1]?.['sessionId']).toBe(started[0]?.['sessionId']);
    const lost = fieldsOf(await only('PublicationLost'));
    expect(lost).toMatchObject({ token: started[0]?.['token'], reason: 'taken-over' });
    await only('SessionOpened');
  });

  test.each([
    ['a wrong key', { streamKey: 'guessed-key-1' }, 'INGEST_STREAM_KEY_REJECTED'],
    ['an unknown application', { app: 'other', streamKey: keyOf('news') }, 'INGEST_APP_UNKNOWN'],
  ])('%s: a refusal, with no channel, since none is known', async (_name, options, errorId) => {
    await publish(options);
    const refused = await only('PublicationRefused');
    expect(fieldsOf(refused)).toEqual({ channel: '', errorId, remoteAddress: LOCALHOST });
    expect({ subject: refused.subject, channel: refused.channel }).toEqual({ subject: '', channel: '' });
    expect(envelopes).toHaveLength(1);
  });

  test('a second publisher under reject: a refusal of that channel, and the first is not lost', async () => {
    await fixture.stop();
    await start({ takeoverPolicy: session.TakeoverPolicy.REJECT });
    await publish({ streamKey: keyOf('news'), name: 'first' });
    await publish({ streamKey: keyOf('news'), name: 'second' });
    const refused = await only('PublicationRefused');
    expect(fieldsOf(refused)).toEqual({
      channel: 'news',
      errorId: 'INGEST_CHANNEL_IN_USE',
      remoteAddress: LOCALHOST,
    });
    expect(refused.channel).toBe('news');
    expect(envelopes.map(({ event }) => event.type)).not.toContain('PublicationLost');
  });

  test('input that a user should hear about: a warning with its id and words, once', async () => {
    const encoder = await publish({ streamKey: keyOf('news') });
    encoder.send(FEED);
    await only('PeriodOpened');
    const malformed = {
      type: 'video',
      timestampMs: 1000,
      body: Buffer.from('2701000000000009', 'hex'),
    } as const;
    encoder.send([malformed, malformed]);
    const warning = fieldsOf(await only('InputWarning'));
    expect(warning).toEqual({
      channel: 'news',
      sessionId: fieldsOf(await only('SessionOpened'))['sessionId'],
      id: 'INGEST_MEDIA_MALFORMED',
      message: expect.stringContaining('video'),
    });
    const id = 'INGEST_MEDIA_MALFORMED';
    while ((await fixture.metric('millrace_ingest_input_warnings_total', { id })) < 2)
      await new Promise((resolve) => setImmediate(resolve));
    await only('InputWarning');
  });

  test.each([
    ['media that no codec of ours is', 'protocol-error', Buffer.from('2f010203', 'hex')],
    ['a server that stops', 'shutdown', undefined],
  ])('the loss of a publication says why: %s', async (_name, reason, body) => {
    const encoder = await publish({ streamKey: keyOf('news') });
    if (body === undefined) await fixture.ingest.stop(1000);
    else encoder.send([{ type: 'audio', timestampMs: 0, body }]);
    expect(fieldsOf(await only('PublicationLost'))).toMatchObject({ channel: 'news', reason });
  });
});
