import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { IngestConfig } from './config.ts';
import { Encoder, readFlv } from './testing/encoder.ts';
import { keyOf, startFixture } from './testing/fixture.ts';
import type { IngestFixture } from './testing/fixture.ts';

const FEED = readFlv(new URL('../../../packages/media/src/testdata/b-frames.flv', import.meta.url));

let fixture: IngestFixture | undefined;
const encoders: Encoder[] = [];
const sockets: Socket[] = [];

/** An ingest with limits, and an encoder that publishes all the while and must not notice. */
async function start(
  limits: Partial<IngestConfig['limits']>,
): Promise<{ running: IngestFixture; other: Encoder }> {
  const running = await startFixture({ limits });
  fixture = running;
  const other = encode({ streamKey: keyOf('news'), name: 'other' });
  expect(await other.isPublishing).toBe(true);
  other.send(FEED);
  return { running, other };
}

function encode(options: ConstructorParameters<typeof Encoder>[1]): Encoder {
  const encoder = new Encoder(fixture?.port ?? 0, options);
  encoders.push(encoder);
  return encoder;
}

/** A connection that says nothing by itself; resolves when the server has closed it. */
function knock(bytes?: Uint8Array): Promise<void> {
  const socket = connect(fixture?.port ?? 0, '127.0.0.1', () => bytes !== undefined && socket.write(bytes));
  sockets.push(socket);
  socket.on('error', () => undefined);
  socket.resume();
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

async function expectCounted(reason: string, other: Encoder): Promise<void> {
  expect(await fixture?.metric('millrace_ingest_refused_total', { reason })).toBe(1);
  expect(fixture?.log()).toContain(reason);
  // The other encoder still publishes: its connection was not closed, and its media is taken.
  const ended = await Promise.race([
    other.end,
    new Promise((resolve) => setImmediate(() => resolve('open'))),
  ]);
  expect(ended).toBe('open');
  const lost = fixture?.events.filter(
    (event) => event.type === 'PublicationLost' && event.data.channel === 'news',
  );
  expect(lost).toEqual([]);
}

afterEach(async () => {
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

  test('the time for the handshake', async () => {
    const { other } = await start({ handshakeSeconds: 0.05 });
    await knock();
    await expectCounted('INGEST_HANDSHAKE_TIMEOUT', other);
  });

  test('the time for connect', async () => {
    const { other } = await start({ connectSeconds: 0.05 });
    // C0, C1 and C2 of a simple handshake, and nothing more.
    await knock(Buffer.concat([Buffer.from([3]), Buffer.alloc(2 * 1536)]));
    await expectCounted('INGEST_CONNECT_TIMEOUT', other);
  });

  test('a publication without media is lost, and says so', async () => {
    const running = await startFixture({ limits: { mediaLostSeconds: 0.05 } });
    fixture = running;
    const silent = encode({ streamKey: keyOf('sport') });
    expect(await silent.end).toMatchObject({
      kind: 'rejected',
      description: expect.stringContaining('No media'),
    });
    const lost = await running.waitForEvent(({ type }) => type === 'PublicationLost');
    expect(lost.data).toMatchObject({ channel: 'sport', reason: 'no-media' });
    expect(await running.metric('millrace_ingest_refused_total', { reason: 'INGEST_MEDIA_LOST' })).toBe(1);
  });

  test('the rate of a connection: over five seconds', async () => {
    const { other, running } = await start({ bitsPerSecond: 40_000 });
    const fast = encode({ streamKey: keyOf('sport'), name: 'fast' });
    await fast.isPublishing;
    for (let second = 0; second < 10; second += 1) fast.send(FEED, second * 1000);
    expect(await fast.end).toMatchObject({
      kind: 'rejected',
      description: expect.stringContaining('lower its bitrate'),
    });
    const lost = await running.waitForEvent(({ type }) => type === 'PublicationLost');
    expect(lost.data).toMatchObject({ channel: 'sport', reason: 'limit' });
    await expectCounted('INGEST_BITRATE_LIMIT', other);
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

  test('the memory of all rings: new publications are refused, live ones go on', async () => {
    const running = await startFixture({ ring: { maxTotalBytes: 1000 } });
    fixture = running;
    const other = encode({ streamKey: keyOf('news'), name: 'other' });
    await other.isPublishing;
    other.send(FEED);
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
