import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { relay } from '@millrace/contracts';
import { PROXY_SIGNATURE } from './adapters/proxy-header.ts';
import type { IngestConfig } from './config.ts';
import { Encoder, readFlv } from './testing/encoder.ts';
import type { EncoderEnd } from './testing/encoder.ts';
import { keyOf, readPeriod, startFixture } from './testing/fixture.ts';
import type { IngestFixture } from './testing/fixture.ts';
import { LiveFeed } from './testing/live-feed.ts';

const FEED = readFlv(new URL('../../../packages/media/src/testdata/b-frames.flv', import.meta.url));
const FEED_BITS = FEED.reduce((sum, { body }) => sum + body.length * 8, 0);
/**
 * For deadlines that the other encoder has as well: longer than a stall of this process that the server notices and forgives.
 */
const DEADLINE_SECONDS = 1.6;
/** C0, C1 and C2 of a simple handshake. */
const HANDSHAKE = Buffer.concat([Buffer.from([3]), Buffer.alloc(2 * 1536)]);
/** `connect` to the application `live`. */
const CONNECT = Buffer.from(
  '030000000000231400000000020007636f6e6e656374003ff00000000000000300036170700200046c697665000009',
  'hex',
);
/** A question that any server answers at once: user control, ping request. */
const PING = Buffer.from('02000000000006040000000000060000002a', 'hex');

let fixture: IngestFixture | undefined;
let feed: LiveFeed | undefined;
const encoders: Encoder[] = [];
const sockets: Socket[] = [];

/** An ingest with limits, and an encoder that publishes all the while and must not notice. */
async function start(
  limits: Partial<IngestConfig['limits']>,
  ring: Partial<IngestConfig['ring']> = {},
): Promise<{ running: IngestFixture; other: Encoder }> {
  const running = await startFixture({ limits, ring });
  fixture = running;
  const other = encode({ streamKey: keyOf('news'), name: 'other' });
  expect(await other.isPublishing).toBe(true);
  feed = new LiveFeed(other, FEED);
  return { running, other };
}

function encode(options: ConstructorParameters<typeof Encoder>[1]): Encoder {
  const encoder = new Encoder(fixture?.port ?? 0, options);
  encoders.push(encoder);
  return encoder;
}

/** A connection that says nothing by itself but these bytes, once or again and again; resolves when the server has closed it. */
async function knock(bytes?: Uint8Array, again?: Uint8Array): Promise<void> {
  const socket = connect(fixture?.port ?? 0, '127.0.0.1', () => bytes !== undefined && socket.write(bytes));
  sockets.push(socket);
  socket.on('error', () => undefined);
  socket.resume();
  const timer = setInterval(() => again !== undefined && socket.write(again), 100);
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
  clearInterval(timer);
}

/** The reason is counted once and logged, and the other encoder has not noticed. */
async function expectCounted(reason: string, other: Encoder): Promise<void> {
  expect(await fixture?.metric('millrace_ingest_refused_total', { reason })).toBe(1);
  expect(fixture?.log()).toContain(reason);
  await expectUntouched(other);
}

/** The encoder that publishes all the while has lost neither its connection nor a picture. */
async function expectUntouched(other: Encoder): Promise<void> {
  const running = fixture;
  if (running === undefined) throw new Error('nothing was started');
  const isOpen = Symbol('open');
  const ended = await Promise.race([
    other.end,
    new Promise((resolve) => setImmediate(() => resolve(isOpen))),
  ]);
  expect(ended).toBe(isOpen);
  const opened = await running.waitForEvent(
    (event) => event.type === 'PeriodOpened' && event.data.channel === 'news',
  );
  const sessionId = opened.type === 'PeriodOpened' ? opened.data.sessionId : '';
  const sent = feed?.stop() ?? 0;
  const pictures = (fragments: readonly relay.Fragment[]): number =>
    fragments.filter(({ trackId, isFiller }) => trackId === 1 && !isFiller).length;
  const { fragments } = await readPeriod(
    running.ingest,
    { sessionId, period: 0 },
    (read) => pictures(read) >= sent,
  );
  expect(pictures(fragments)).toBe(sent);
  const types = running.events.filter(({ data }) => data.channel === 'news').map(({ type }) => type);
  expect(types.filter((type) => type === 'PeriodOpened')).toHaveLength(1);
  expect(types).not.toContain('PublicationLost');
  expect(types).not.toContain('InputWarning');
}

afterEach(async () => {
  feed?.stop();
  feed = undefined;
  for (const encoder of encoders.splice(0)) encoder.kill();
  for (const socket of sockets.splice(0)) socket.destroy();
  await fixture?.stop();
  fixture = undefined;
});

describe('limits', () => {
  test.each([
    ['connections', { connections: 1 }, 'INGEST_CONNECTION_LIMIT', 'as many connections as it may'],
    ['connections of one address', { connectionsPerAddress: 1 }, 'INGEST_ADDRESS_LIMIT', 'from this address'],
  ])('the number of %s: the encoder is told', async (_name, limits, reason, text) => {
    const { other } = await start(limits);
    const refused = encode({ streamKey: keyOf('sport') });
    expect(await refused.end).toMatchObject({
      kind: 'rejected',
      code: 'NetConnection.Connect.Rejected',
      description: expect.stringContaining(text),
    });
    await expectCounted(reason, other);
  });

  test('a place that becomes free can be taken', async () => {
    const { other, running } = await start({ connections: 1 });
    other.kill();
    await running.waitForEvent(({ type }) => type === 'PublicationLost');
    expect(await encode({ streamKey: keyOf('sport') }).isPublishing).toBe(true);
  });

  test('a header of a balancer from whoever is none: nobody speaks for another without being trusted', async () => {
    const { other } = await start({});
    await knock(Buffer.concat([PROXY_SIGNATURE, Buffer.from('2111000cc0000207c63364091234078f', 'hex')]));
    await expectCounted('INGEST_PROXY_HEADER_UNTRUSTED', other);
  });

  test('the time for the handshake', async () => {
    const { other } = await start({ handshakeSeconds: 0.05 });
    await knock();
    await expectCounted('INGEST_HANDSHAKE_TIMEOUT', other);
  });

  test('the time for connect', async () => {
    const { other } = await start({ connectSeconds: 0.05 });
    await knock(HANDSHAKE);
    await expectCounted('INGEST_CONNECT_TIMEOUT', other);
  });

  test('the time for publish: whatever else is said meanwhile', async () => {
    const { other } = await start({ publishSeconds: 0.05 });
    await knock(Buffer.concat([HANDSHAKE, CONNECT]), PING);
    await expectCounted('INGEST_PUBLISH_TIMEOUT', other);
  });

  test('the time without a single byte', async () => {
    const { other } = await start({ connectionTimeoutSeconds: DEADLINE_SECONDS });
    await knock(Buffer.concat([HANDSHAKE, CONNECT]));
    await expectCounted('INGEST_CONNECTION_TIMEOUT', other);
  });

  test('the time without a single byte, of a publication: the encoder is told, and it is lost by a limit', async () => {
    const { other, running } = await start({ connectionTimeoutSeconds: DEADLINE_SECONDS });
    const silent = encode({ streamKey: keyOf('sport') });
    expect(await silent.end).toMatchObject({
      kind: 'rejected',
      description: expect.stringContaining('Nothing at all came'),
    });
    const lost = await running.waitForEvent(({ type }) => type === 'PublicationLost');
    expect(lost.data).toMatchObject({ channel: 'sport', reason: 'limit' });
    await expectCounted('INGEST_CONNECTION_TIMEOUT', other);
  });

  test('the time without media, of a connection that sends anything else', async () => {
    const { other } = await start({ idleSeconds: DEADLINE_SECONDS });
    await knock(Buffer.concat([HANDSHAKE, CONNECT]), PING);
    await expectCounted('INGEST_IDLE_TIMEOUT', other);
  });

  test('a publication without media is lost, and says so', async () => {
    const { other, running } = await start({ mediaLostSeconds: DEADLINE_SECONDS });
    const silent = encode({ streamKey: keyOf('sport') });
    expect(await silent.end).toMatchObject({
      kind: 'rejected',
      description: expect.stringContaining('No media'),
    });
    const lost = await running.waitForEvent(({ type }) => type === 'PublicationLost');
    expect(lost.data).toMatchObject({ channel: 'sport', reason: 'no-media' });
    await expectCounted('INGEST_MEDIA_LOST', other);
  });

  test('the wrong keys of an address: answered late, then refused unasked; a right one from there gets in at once', async () => {
    const { other, running } = await start({
      refusedKeysPerMinute: 2,
      refusedKeyHoldSeconds: 1,
      pendingKeysPerAddress: 2,
    });
    const guess = (streamKey: string): Promise<unknown> => encode({ streamKey }).end;
    const wrong = { kind: 'rejected', description: expect.stringContaining('is not valid') };
    const unasked = { kind: 'rejected', description: expect.stringContaining('Too many wrong stream keys') };
    for (const key of ['guess-1', 'guess-2']) expect(await guess(key)).toMatchObject(wrong);
    const startMs = performance.now();
    const held = guess('guess-3');
    const right = encode({ streamKey: keyOf('sport') });
    expect(await right.isPublishing).toBe(true);
    expect(await held).toMatchObject(wrong);
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(1000);
    const more = Array.from({ length: 5 }, (_, index) => guess(`guess-${index + 4}`));
    // There is no place left: the key that was right before needs none.
    expect(await Promise.race(more)).toMatchObject(unasked);
    right.kill();
    expect(await encode({ streamKey: keyOf('sport') }).isPublishing).toBe(true);
    const ends = await Promise.all(more);
    expect(ends.filter((end) => (end as EncoderEnd).kind === 'rejected')).toHaveLength(5);
    expect(ends).toEqual(expect.arrayContaining([expect.objectContaining(wrong)]));
    const reason = 'INGEST_KEY_ATTEMPTS_LIMIT';
    expect(await running.metric('millrace_ingest_refused_total', { reason })).toBe(3);
    expect(running.log()).not.toMatch(/guess-\d/);
    await expectUntouched(other);
  });

  test('the rate of a connection: over five seconds', async () => {
    const { other, running } = await start({ bitsPerSecond: FEED_BITS });
    const fast = encode({ streamKey: keyOf('sport'), name: 'fast' });
    await fast.isPublishing;
    for (let second = 0; second < 20; second += 1) fast.send(FEED, second * 1000);
    expect(await fast.end).toMatchObject({
      kind: 'rejected',
      description: expect.stringContaining('lower its bitrate'),
    });
    const lost = await running.waitForEvent(({ type }) => type === 'PublicationLost');
    expect(lost.data).toMatchObject({ channel: 'sport', reason: 'limit' });
    await expectCounted('INGEST_BITRATE_LIMIT', other);
  });

  test('the access units of a publication: a clock that runs away would have to be filled', async () => {
    const { other, running } = await start({ unitsPerSecond: 200 });
    const runaway = encode({ streamKey: keyOf('sport'), name: 'runaway' });
    await runaway.isPublishing;
    runaway.send(FEED);
    // Each picture a second after the one before, without any sound: 46 frames of silence for each.
    const idr = FEED.find(({ type, body }) => type === 'video' && body[1] === 1);
    if (idr === undefined) throw new Error('another feed');
    for (let second = 1; second < 60; second += 1) runaway.send([{ ...idr, timestampMs: second * 1000 }]);
    expect(await runaway.end).toMatchObject({
      kind: 'rejected',
      description: expect.stringContaining('in real time'),
    });
    const lost = await running.waitForEvent(({ type }) => type === 'PublicationLost');
    expect(lost.data).toMatchObject({ channel: 'sport', reason: 'limit' });
    await expectCounted('INGEST_UNIT_LIMIT', other);
  });

  test('the messages of a publication, even if nothing comes of them', async () => {
    const { other } = await start({ unitsPerSecond: 200 });
    const futile = encode({ streamKey: keyOf('sport'), name: 'futile' });
    await futile.isPublishing;
    futile.send(
      Array.from({ length: 1500 }, () => ({
        type: 'video',
        timestampMs: 0,
        body: Buffer.from('5700', 'hex'),
      })),
    );
    expect(await futile.end).toMatchObject({ kind: 'rejected' });
    await expectCounted('INGEST_UNIT_LIMIT', other);
  });

  test('the periods of a publication: a clock that jumps to and fro', async () => {
    const { other, running } = await start({ periodsPerMinute: 5 });
    const jumping = encode({ streamKey: keyOf('sport'), name: 'jumping' });
    await jumping.isPublishing;
    jumping.send(FEED);
    const idr = FEED.find(({ type, body }) => type === 'video' && body[1] === 1);
    if (idr === undefined) throw new Error('another feed');
    for (let jump = 0; jump < 20; jump += 1)
      jumping.send([{ ...idr, timestampMs: jump % 2 === 0 ? 100_000 : 1000 }]);
    expect(await jumping.end).toMatchObject({
      kind: 'rejected',
      description: expect.stringContaining('settings that stay'),
    });
    const lost = await running.waitForEvent(({ type }) => type === 'PublicationLost');
    expect(lost.data).toMatchObject({ channel: 'sport', reason: 'limit' });
    const opened = running.events.filter(
      (event) => event.type === 'PeriodOpened' && event.data.channel === 'sport',
    );
    expect(opened).toHaveLength(6);
    await expectCounted('INGEST_PERIOD_LIMIT', other);
  });

  test('the memory that unfinished messages hold: whoever holds most goes', async () => {
    const { other } = await start({ heldBytes: 10_000 });
    const holder = encode({ streamKey: keyOf('sport'), name: 'holder' });
    await holder.isPublishing;
    // A video message of 60 kB of which two thirds come.
    const header = Buffer.from([0x06, 0, 0, 0, 0x00, 0xea, 0x60, 9, 1, 0, 0, 0]);
    const chunk = Buffer.alloc(129, 0xc6);
    holder.sendRaw(Buffer.concat([header, Buffer.alloc(128), ...Array.from({ length: 310 }, () => chunk)]));
    expect(await holder.end).toMatchObject({ kind: 'rejected' });
    await expectCounted('INGEST_HELD_BYTES_LIMIT', other);
  });

  test('the memory that unfinished messages of many hold: as many go at once as have to', async () => {
    const { other, running } = await start({ heldBytes: 200_000 });
    // Each holds 64 kB before anyone has looked at its key; three of them may.
    const header = Buffer.from([0x06, 0, 0, 0, 0x00, 0xff, 0xff, 9, 1, 0, 0, 0]);
    const chunk = Buffer.alloc(129, 0xc6);
    const unfinished = Buffer.concat([
      header,
      Buffer.alloc(128),
      ...Array.from({ length: 400 }, () => chunk),
    ]);
    const holders = Array.from({ length: 10 }, () => knock(Buffer.concat([HANDSHAKE, CONNECT, unfinished])));
    const reason = 'INGEST_HELD_BYTES_LIMIT';
    await Promise.race(holders);
    while ((await running.metric('millrace_ingest_refused_total', { reason })) < 7)
      await new Promise((resolve) => setTimeout(resolve, 20));
    // One at a time they would have taken seven turns of half a second.
    const times = running
      .log()
      .split('\n')
      .filter((line) => line.includes(reason))
      .map((line) => Number(new Date((JSON.parse(line) as { time: string | number }).time)));
    expect(times).toHaveLength(7);
    expect(Math.max(...times) - Math.min(...times)).toBeLessThan(1500);
    await expectUntouched(other);
  });

  test('the memory of all rings: new publications are refused, live ones go on', async () => {
    const { other, running } = await start({}, { maxTotalBytes: 1000 });
    while ((await running.metric('millrace_ingest_ring_bytes')) === 0) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const refused = encode({ streamKey: keyOf('sport') });
    expect(await refused.end).toMatchObject({
      kind: 'rejected',
      description: expect.stringContaining('as much media as it may'),
    });
    await expectCounted('INGEST_MEMORY_LIMIT', other);
  });
});
