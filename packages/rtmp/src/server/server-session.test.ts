import { describe, expect, test } from '@jest/globals';
import { amfObject, amfProperties } from '../amf/amf-value.ts';
import { MessageType } from '../message-type.ts';
import {
  command,
  concat,
  connect,
  FFMPEG_PUBLISH,
  hex,
  media,
  PLAIN_HANDSHAKE,
  rawMessage,
  SessionProbe,
} from '../testdata/wire.ts';
import { RtmpServerSession } from './server-session.ts';

const statusOf = (probe: SessionProbe): Record<string, unknown> =>
  Object.fromEntries(amfProperties(probe.commands.at(-1)?.values[1]));
const uint32 = (value: number): Uint8Array => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const repliesOf = (probe: SessionProbe, typeId: number): readonly string[] =>
  probe.replies.filter((m) => m.typeId === typeId).map((m) => Buffer.from(m.payload).toString('hex'));

describe('server session', () => {
  test('window, bandwidth and chunk size go before the answer to connect', () => {
    const probe = new SessionProbe().push(concat(PLAIN_HANDSHAKE, connect({ app: 'live' })));
    expect(probe.replies.map((m) => m.typeId)).toEqual([5, 6, 20]);
    expect(probe.chunkSize).toBe(65_536);
    expect(probe.replies.slice(0, 2).map((m) => [m.csid, m.streamId])).toEqual([
      [2, 0],
      [2, 0],
    ]);
  });

  test('connect is answered with its transaction, and Success', () => {
    const probe = new SessionProbe().push(
      concat(PLAIN_HANDSHAKE, command('connect', 7, [amfObject({ app: 'live' })])),
    );
    expect(probe.commands[0]).toMatchObject({ name: '_result', transactionId: 7 });
    expect(statusOf(probe)).toEqual({
      level: 'status',
      code: 'NetConnection.Connect.Success',
      description: 'Connection succeeded.',
      objectEncoding: 0,
    });
  });

  test('objectEncoding 3 is echoed', () => {
    const probe = new SessionProbe().push(
      concat(PLAIN_HANDSHAKE, connect({ app: 'live', objectEncoding: 3 })),
    );
    expect(statusOf(probe)).toMatchObject({ objectEncoding: 3 });
  });

  test('Enhanced RTMP is answered with maps and capsEx, only to those who speak of it (ER2)', () => {
    const enhanced = { videoFourCcs: ['avc1', 'hvc1'], audioFourCcs: ['mp4a'], capsEx: 4 };
    const probe = new SessionProbe({ enhanced }).push(
      concat(PLAIN_HANDSHAKE, connect({ app: 'live', videoFourCcInfoMap: amfObject({ '*': 4 }) })),
    );
    expect(statusOf(probe)).toMatchObject({
      fourCcList: ['avc1', 'hvc1', 'mp4a'],
      videoFourCcInfoMap: amfObject({ avc1: 1, hvc1: 1 }),
      audioFourCcInfoMap: amfObject({ mp4a: 1 }),
      capsEx: 4,
    });
  });

  test('the connect event says what the encoder said', () => {
    const probe = new SessionProbe().push(
      concat(
        PLAIN_HANDSHAKE,
        connect({ app: 'live', tcUrl: 'rtmp://h/live', flashVer: 'LNX', fourCcList: ['*', 7, 'av01'] }),
      ),
    );
    expect(probe.events[0]).toEqual({
      kind: 'connect',
      connect: {
        app: 'live',
        tcUrl: 'rtmp://h/live',
        flashVer: 'LNX',
        fourCcList: ['*', 'av01'],
        objectEncoding: 0,
        isEnhanced: true,
      },
    });
  });

  test('a refused connection gets _error with the reason', () => {
    const probe = new SessionProbe({
      refuseConnect: ({ app }) => (app === 'live' ? undefined : 'No such application.'),
    });
    probe.push(concat(PLAIN_HANDSHAKE, connect({ app: 'other' })));
    expect(probe.commands[0]).toMatchObject({ name: '_error', transactionId: 1 });
    expect(statusOf(probe)).toEqual({
      level: 'error',
      code: 'NetConnection.Connect.Rejected',
      description: 'No such application.',
    });
    expect(probe.kinds()).toEqual(['refused']);
    expect(probe.session.phase).toBe('closed');
  });

  test('publish asks first, and Start goes to the stream it came on', () => {
    const probe = new SessionProbe({ accepts: false }).push(FFMPEG_PUBLISH);
    expect(probe.events.at(-1)).toEqual({
      kind: 'publish-request',
      target: { app: 'live', streamKey: 'key', query: new Map([['token', 'x']]) },
    });
    expect(probe.session.phase).toBe('authorizing');
    expect(probe.commands.map((c) => c.name)).not.toContain('onStatus');
    probe.accept();
    expect(probe.session.phase).toBe('publishing');
    expect(probe.replies.at(-1)?.streamId).toBe(1);
    expect(statusOf(probe)).toMatchObject({ level: 'status', code: 'NetStream.Publish.Start' });
    expect(repliesOf(probe, MessageType.userControl)).toEqual(['000000000001']);
  });

  test('a wrong key is refused with a description, and nothing more is read', () => {
    const probe = new SessionProbe({ accepts: false }).push(FFMPEG_PUBLISH);
    probe.session.refuse('This stream key is not valid.');
    probe.drain();
    expect(statusOf(probe)).toEqual({
      level: 'error',
      code: 'NetStream.Publish.BadName',
      description: 'This stream key is not valid.',
    });
    expect(probe.session.phase).toBe('closed');
    expect(probe.push(media('video', 0, hex('1700'))).kinds()).toEqual(['connect', 'publish-request']);
  });

  test('a publication is ended by a status: takeover, revoked key', () => {
    const probe = new SessionProbe().push(FFMPEG_PUBLISH);
    probe.session.refuse('Another encoder took over.', 'NetStream.Publish.Denied');
    probe.drain();
    expect(statusOf(probe)).toMatchObject({ code: 'NetStream.Publish.Denied' });
  });

  test('refusing before connect sends nothing and closes', () => {
    const probe = new SessionProbe();
    probe.session.refuse('Too many connections.');
    expect(probe.session.takeOutput()).toBeUndefined();
    expect(probe.session.phase).toBe('closed');
  });

  test('what arrives while the key is checked is kept and comes with accept', () => {
    const probe = new SessionProbe({ accepts: false }).push(
      concat(
        FFMPEG_PUBLISH,
        media('video', 1, new Uint8Array(300)),
        media('audio', 2, hex('af01')).subarray(0, 5),
      ),
    );
    probe.push(media('audio', 2, hex('af01')).subarray(5));
    expect(probe.kinds().at(-1)).toBe('publish-request');
    expect(probe.session.heldBytes).toBeGreaterThan(300);
    expect(probe.accept().kinds().slice(2)).toEqual(['video@1', 'audio@2']);
    expect(probe.session.heldBytes).toBe(0);
  });

  test('what arrives while the key is checked is copied, since the socket may use its buffer again', () => {
    const probe = new SessionProbe({ accepts: false }).push(FFMPEG_PUBLISH);
    const reused = Buffer.from(media('audio', 7, hex('af01')));
    probe.push(reused);
    reused.fill(0xff);
    expect(probe.accept().kinds().at(-1)).toBe('audio@7');
  });

  test('what arrives while the key is checked is bounded', () => {
    const probe = new SessionProbe({ accepts: false, maxPendingBytes: 1000 }).push(FFMPEG_PUBLISH);
    expect(probe.push(new Uint8Array(1000)).session.phase).toBe('authorizing');
    expect(probe.push(new Uint8Array(1)).kinds().at(-1)).toBe('PENDING_INPUT_EXCEEDED');
    expect(probe.session.heldBytes).toBe(0);
  });

  test('accepting what was not asked does nothing', () => {
    const session = new RtmpServerSession(0);
    expect(session.acceptPublish(1)).toEqual([]);
    expect(session.phase).toBe('handshake');
  });

  test('every window is acknowledged with the bytes received (R1 5.4.3)', () => {
    const probe = new SessionProbe().push(
      concat(
        FFMPEG_PUBLISH,
        rawMessage({ typeId: MessageType.windowAckSize, csid: 2, payload: uint32(10_000) }),
      ),
    );
    const start = probe.session.bytesReceived;
    const frame = media('video', 0, new Uint8Array(4000));
    for (let i = 0; i < 6; i += 1) probe.push(frame);
    const acks = repliesOf(probe, MessageType.acknowledgement).map((ack) => Number.parseInt(ack, 16));
    // Windows end behind the second and the fifth frame, since some bytes came before.
    expect(acks).toEqual([start + 2 * frame.length, start + 5 * frame.length]);
  });

  test('without a window it acknowledges every 2.5 MB', () => {
    const probe = new SessionProbe().push(FFMPEG_PUBLISH);
    const frame = media('video', 0, new Uint8Array(100_000));
    for (let i = 0; i < 26; i += 1) probe.push(frame);
    expect(repliesOf(probe, MessageType.acknowledgement)).toHaveLength(1);
  });

  test('acknowledgements beyond 2^32 bytes count modulo 2^32, and media goes on', () => {
    const control = (typeId: number, value: number): Uint8Array =>
      rawMessage({ typeId, csid: 2, payload: uint32(value) });
    // Slices of the one input are all that is kept of four gigabytes.
    const probe = new SessionProbe({ inputIsTransferred: true }).push(
      concat(FFMPEG_PUBLISH, control(MessageType.setChunkSize, 8_000_000)),
    );
    const payload = new Uint8Array(8_000_000);
    const frame = rawMessage({ typeId: MessageType.video, csid: 6, streamId: 1, payload }, payload.length);
    const received: number[] = [];
    while (probe.session.bytesReceived < 2 ** 32 + 2 * payload.length) {
      probe.push(frame);
      received.push(probe.session.bytesReceived);
    }
    const acks = repliesOf(probe, MessageType.acknowledgement).map((ack) => Number.parseInt(ack, 16));
    expect(acks).toEqual(received.map((bytes) => bytes % 2 ** 32));
    expect(acks.at(-1)).toBeLessThan(3 * payload.length);
    expect(probe.kinds().filter((kind) => kind === 'video@0')).toHaveLength(received.length);
  });

  test('an encoder whose own acknowledgements have passed 2^32 goes on', () => {
    const probe = new SessionProbe().push(FFMPEG_PUBLISH);
    for (const sequence of [0xfffffff0, 0x00000010, 0])
      probe.push(rawMessage({ typeId: MessageType.acknowledgement, csid: 2, payload: uint32(sequence) }));
    probe.push(media('audio', 0, hex('af01')));
    expect(probe.kinds().at(-1)).toBe('audio@0');
  });

  test('a ping is answered with its value', () => {
    const probe = new SessionProbe().push(FFMPEG_PUBLISH);
    probe.push(rawMessage({ typeId: MessageType.userControl, csid: 2, payload: hex('0006 01020304') }));
    expect(repliesOf(probe, MessageType.userControl).at(-1)).toBe('000701020304');
  });

  test('our own ping carries the time, and its answer is a sign of life', () => {
    const probe = new SessionProbe();
    probe.session.ping(1);
    expect(probe.session.takeOutput()).toBeUndefined();
    probe.push(FFMPEG_PUBLISH);
    probe.session.ping(0x1_0000_0007);
    probe.drain();
    expect(repliesOf(probe, MessageType.userControl).at(-1)).toBe('000600000007');
    expect(probe.session.lastPongMs).toBeUndefined();
    probe.push(rawMessage({ typeId: MessageType.userControl, csid: 2, payload: hex('0007 00000007') }), 99);
    expect(probe.session.lastPongMs).toBe(99);
  });

  test('phases and their times are there for deadlines', () => {
    const probe = new SessionProbe();
    const seen: (string | number)[][] = [];
    const note = (): void => void seen.push([probe.session.phase, probe.session.phaseSinceMs]);
    probe.push(PLAIN_HANDSHAKE.subarray(0, 100), 10);
    note();
    probe.push(PLAIN_HANDSHAKE.subarray(100), 20);
    note();
    probe.push(connect({ app: 'live' }), 30);
    note();
    probe.push(command('publish', 3, [null, 'key'], { streamId: 1 }), 40);
    note();
    expect(seen).toEqual([
      ['handshake', 0],
      ['connecting', 20],
      ['connected', 30],
      ['publishing', 0],
    ]);
    expect(probe.session.lastMediaMs).toBeUndefined();
    probe.push(media('audio', 0, hex('af01')), 55);
    expect(probe.session.lastMediaMs).toBe(55);
  });

  test('a play request is refused with a status that says what to use', () => {
    const probe = new SessionProbe().push(
      concat(PLAIN_HANDSHAKE, connect({ app: 'live' }), command('play', 4, [null, 'key'], { streamId: 1 })),
    );
    expect(statusOf(probe)).toMatchObject({ level: 'error', code: 'NetStream.Play.Failed' });
    expect(probe.kinds()).toEqual(['connect', 'refused']);
  });

  test('a steady rate of pings is no flood', () => {
    const probe = new SessionProbe().push(FFMPEG_PUBLISH);
    const ping = rawMessage({ typeId: MessageType.userControl, csid: 2, payload: hex('0006 00000000') });
    for (let second = 1; second <= 60; second += 1) {
      for (let i = 0; i < 100; i += 1) probe.push(ping, second * 1000);
    }
    expect(probe.session.phase).toBe('publishing');
  });

  test('dropped messages are counted', () => {
    const probe = new SessionProbe().push(
      concat(PLAIN_HANDSHAKE, connect({ app: 'live' }), media('video', 0, hex('1700'))),
    );
    expect(probe.session.droppedMessages).toBe(1);
  });
});
