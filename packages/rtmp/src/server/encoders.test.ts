import { describe, expect, test } from '@jest/globals';
import { marshalAmf0 } from '../amf/amf0.ts';
import { amfObject } from '../amf/amf-value.ts';
import { MessageType } from '../message-type.ts';
import {
  command,
  concat,
  connect,
  data,
  FFMPEG_PUBLISH,
  hex,
  media,
  PLAIN_HANDSHAKE,
  rawChunk,
  rawMessage,
  SessionProbe,
} from '../testdata/wire.ts';

const AVCC = hex('17 00 000000 01 640028 ff e1 0000 00');
const FRAME = hex('17 01 000000 00000001 65');
const AAC = hex('af 01 2100');
const TC_URL = 'rtmp://127.0.0.1:1935/live';
const metadata = amfObject({ width: 1280, height: 720, videocodecid: 7 });
const setChunkSize = (n: number): Uint8Array => {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(n);
  return rawMessage({ typeId: MessageType.setChunkSize, csid: 2, payload });
};
/** connect … publish with nothing special about them. */
const plainStart = concat(
  PLAIN_HANDSHAKE,
  connect({ app: 'live', tcUrl: TC_URL }),
  command('createStream', 2, [null]),
  command('publish', 3, [null, 'key', 'live'], { csid: 8, streamId: 1 }),
);

interface Case {
  readonly name: string;
  readonly bytes: readonly Uint8Array[];
  readonly events: readonly string[];
  /** Names and transactions of our answers, where the case is about them. */
  readonly answers?: readonly string[];
}

const cases: readonly Case[] = [
  {
    name: 'FFmpeg 5.1 and 8.1: publish on csid 8, metadata on csid 4, FCUnpublish and deleteStream at the end',
    bytes: [
      FFMPEG_PUBLISH,
      data('@setDataFrame', 'onMetaData', metadata),
      media('video', 0, AVCC),
      media('audio', 0, AAC),
      media('video', 40, FRAME),
      command('FCUnpublish', 6, [null, 'key']),
      command('deleteStream', 7, [null, 1]),
    ],
    events: ['connect', 'publish-request', 'metadata', 'video@0', 'audio@0', 'video@40', 'unpublish'],
    answers: ['_result 1', '_result 2', '_result 3', '_result 4', 'onStatus 0', '_result 6', 'onStatus 0'],
  },
  {
    name: 'FFmpeg with negative DTS: 2147483568, 2147483608, then 0, 40, and an end-of-sequence tag at 2147483608',
    bytes: [
      FFMPEG_PUBLISH,
      ...[2_147_483_568, 2_147_483_608, 0, 40, 880, 2_147_483_608].map((ms) => media('video', ms, FRAME)),
    ],
    events: [
      'connect',
      'publish-request',
      'video@2147483568',
      'video@2147483608',
      'video@0',
      'video@40',
      'video@880',
      'video@2147483608',
    ],
  },
  {
    name: 'FFmpeg echoes our chunk size and then sends with it (60000 to 60000)',
    bytes: [
      FFMPEG_PUBLISH,
      setChunkSize(65_536),
      rawMessage({ typeId: MessageType.video, csid: 6, streamId: 1, payload: new Uint8Array(9000) }, 65_536),
    ],
    events: ['connect', 'publish-request', 'video@0'],
  },
  {
    name: 'FFmpeg time codes: a data message of 4 bytes that are no AMF (srs#3803)',
    bytes: [
      FFMPEG_PUBLISH,
      rawMessage({ typeId: MessageType.dataAmf0, csid: 4, streamId: 1, payload: hex('00 11 22 33') }),
      media('video', 40, FRAME),
    ],
    events: ['connect', 'publish-request', 'video@40'],
  },
  {
    name: 'FFmpeg 8.1 HEVC: ex-header without a word of it in connect, videocodecid 1752589105',
    bytes: [
      FFMPEG_PUBLISH,
      data('@setDataFrame', 'onMetaData', amfObject({ videocodecid: 1_752_589_105 })),
      media('video', 0, hex('90 68766331 01')),
    ],
    events: ['connect', 'publish-request', 'metadata', 'video@0'],
  },
  {
    name: 'GStreamer rtmp2sink 1.22: transaction 0 but for connect and createStream, name as the argument of deleteStream',
    bytes: [
      PLAIN_HANDSHAKE,
      setChunkSize(128),
      connect({ app: 'live', tcUrl: TC_URL, flashVer: 'LNX 10,0,32,18' }),
      command('releaseStream', 0, [null, 'key']),
      command('FCPublish', 0, [null, 'key']),
      command('createStream', 2, [null]),
      command('publish', 0, [null, 'key', 'live'], { csid: 4, streamId: 1 }),
      ...Array.from({ length: 10 }, () => data('@setDataFrame', 'onMetaData', metadata)),
      media('video', 0, AVCC),
      command('deleteStream', 0, [null, 'key']),
    ],
    events: [
      'connect',
      'publish-request',
      ...Array.from({ length: 10 }, () => 'metadata'),
      'video@0',
      'unpublish',
    ],
    answers: ['_result 1', '_result 2', 'onStatus 0', 'onStatus 0'],
  },
  {
    name: 'GStreamer answers SetPeerBandwidth with WindowAckSize',
    bytes: [
      PLAIN_HANDSHAKE,
      connect({ app: 'live' }),
      rawMessage({ typeId: MessageType.windowAckSize, csid: 2, payload: hex('002625a0') }),
    ],
    events: ['connect'],
  },
  {
    name: 'GStreamer rtmpsink (librtmp): publish, data and video all on csid 4, chunks of 128',
    bytes: [
      PLAIN_HANDSHAKE,
      connect({ app: 'live', tcUrl: TC_URL }),
      command('createStream', 4, [null]),
      command('publish', 5, [null, 'key', 'live'], { csid: 4, streamId: 1 }),
      data('@setDataFrame', 'onMetaData', metadata),
      media('video', 0, new Uint8Array(1000), 4),
      media('audio', 0, AAC, 4),
    ],
    events: ['connect', 'publish-request', 'metadata', 'video@0', 'audio@0'],
  },
  {
    name: 'librtmp: a ping response with fmt 1 on a fresh csid 2',
    bytes: [
      plainStart,
      rawChunk({ fmt: 1, csid: 2, typeId: 4, payload: hex('0007 00000001') }),
      media('video', 0, AVCC),
    ],
    events: ['connect', 'publish-request', 'video@0'],
  },
  {
    name: 'OBS 29.0.2 (Debian): flashVer of librtmp, _checkbw, no fourCcList',
    bytes: [
      PLAIN_HANDSHAKE,
      setChunkSize(4096),
      rawMessage(
        {
          payload: marshalAmf0([
            'connect',
            1,
            amfObject({
              app: 'live',
              type: 'nonprivate',
              flashVer: 'FMLE/3.0 (compatible; FMSc/1.0)',
              swfUrl: TC_URL,
              tcUrl: TC_URL,
            }),
          ]),
        },
        4096,
      ),
      command('releaseStream', 2, [null, 'key']),
      command('FCPublish', 3, [null, 'key']),
      command('createStream', 4, [null]),
      command('_checkbw', 5, [null]),
      command('publish', 6, [null, 'key', 'live'], { csid: 4, streamId: 1 }),
      data('@setDataFrame', 'onMetaData', { kind: 'ecma-array', values: new Map([['width', 1280]]) }),
      media('video', 0, AVCC, 4),
    ],
    events: ['connect', 'publish-request', 'metadata', 'video@0'],
    answers: ['_result 1', '_result 2', '_result 3', '_result 4', '_result 5', 'onStatus 0'],
  },
  {
    name: 'OBS >= 29.1, E-RTMP: fourCcList in connect, HEVC ex-header',
    bytes: [
      PLAIN_HANDSHAKE,
      connect({ app: 'live', tcUrl: TC_URL, fourCcList: ['av01', 'hvc1'], capsEx: 3 }),
      command('createStream', 4, [null]),
      command('publish', 6, [null, 'key', 'live'], { csid: 4, streamId: 1 }),
      media('video', 0, hex('90 68766331 01'), 4),
    ],
    events: ['connect', 'publish-request', 'video@0'],
  },
  {
    name: 'Wirecast stops by publish(false), which crashed Node-Media-Server (NMS#67)',
    bytes: [
      plainStart,
      media('video', 0, AVCC),
      command('publish', 9, [null, false], { csid: 8, streamId: 1 }),
    ],
    events: ['connect', 'publish-request', 'video@0', 'unpublish'],
  },
  {
    name: 'Wirecast stops before it published',
    bytes: [
      PLAIN_HANDSHAKE,
      connect({ app: 'live' }),
      command('publish', 9, [null, false], { csid: 8, streamId: 1 }),
      command('createStream', 2, [null]),
    ],
    events: ['connect'],
    answers: ['_result 1', '_result 2'],
  },
  {
    name: 'Haivision: _checkbw before createStream, FCPublish after (srs#844)',
    bytes: [
      PLAIN_HANDSHAKE,
      connect({ app: 'live', tcUrl: TC_URL }),
      command('_checkbw', 2, [null]),
      command('createStream', 3, [null]),
      command('FCPublish', 4, [null, 'key']),
      command('publish', 5, [null, 'key', 'live'], { csid: 8, streamId: 1 }),
      media('audio', 0, AAC),
    ],
    events: ['connect', 'publish-request', 'audio@0'],
    answers: ['_result 1', '_result 2', '_result 3', '_result 4', 'onStatus 0'],
  },
  {
    name: 'Red5: null behind the object of connect (srs#418)',
    bytes: [
      PLAIN_HANDSHAKE,
      command('connect', 1, [amfObject({ app: 'live', tcUrl: TC_URL }), null]),
      command('createStream', 2, [null]),
    ],
    events: ['connect'],
    answers: ['_result 1', '_result 2'],
  },
  {
    name: 'Red5: null instead of the object of connect (srs#418)',
    bytes: [PLAIN_HANDSHAKE, command('connect', 1, [null])],
    events: ['connect'],
    answers: ['_result 1'],
  },
  {
    name: 'the object of connect as an ECMA array',
    bytes: [
      PLAIN_HANDSHAKE,
      command('connect', 1, [{ kind: 'ecma-array', values: new Map([['app', 'live']]) }]),
    ],
    events: ['connect'],
  },
  {
    name: 'onMetaData with a string for an argument (srs#186)',
    bytes: [plainStart, data('onMetaData', 'none'), media('video', 0, AVCC)],
    events: ['connect', 'publish-request', 'metadata', 'video@0'],
  },
  {
    name: "Neko: tcUrl with a leading '",
    bytes: [
      PLAIN_HANDSHAKE,
      connect({ app: 'live', tcUrl: `'${TC_URL}` }),
      command('createStream', 2, [null]),
      command('publish', 3, [null, 'key', 'live'], { csid: 8, streamId: 1 }),
    ],
    events: ['connect', 'publish-request'],
  },
  {
    name: 'srs-bench: connect on sid 1 with tcUrl only',
    bytes: [
      PLAIN_HANDSHAKE,
      connect({ tcUrl: TC_URL }, { streamId: 1 }),
      command('createStream', 2, [null]),
      command('publish', 3, [null, 'key', 'live'], { csid: 5, streamId: 1 }),
      media('video', 0, AVCC),
    ],
    events: ['connect', 'publish-request', 'video@0'],
  },
  {
    name: 'tcUrl under the key tcurl',
    bytes: [
      PLAIN_HANDSHAKE,
      connect({ tcurl: TC_URL }),
      command('publish', 3, [null, 'key', 'live'], { csid: 5, streamId: 1 }),
    ],
    events: ['connect', 'publish-request'],
  },
  {
    name: 'AMF3 client: commands of type 17 and data of type 15 behind the selector 0',
    bytes: [
      PLAIN_HANDSHAKE,
      rawMessage({
        typeId: MessageType.commandAmf3,
        payload: concat(
          hex('00'),
          marshalAmf0(['connect', 1, amfObject({ app: 'live', objectEncoding: 3 })]),
        ),
      }),
      rawMessage({
        typeId: MessageType.commandAmf3,
        streamId: 1,
        payload: concat(hex('00'), marshalAmf0(['publish', 2, null, 'key'])),
      }),
      rawMessage({
        typeId: MessageType.dataAmf3,
        streamId: 1,
        payload: concat(hex('00'), marshalAmf0(['onMetaData', metadata])),
      }),
    ],
    events: ['connect', 'publish-request', 'metadata'],
  },
  {
    name: 'AMF3 client that leaves the selector out',
    bytes: [
      PLAIN_HANDSHAKE,
      rawMessage({
        typeId: MessageType.commandAmf3,
        payload: marshalAmf0(['connect', 1, amfObject({ app: 'live' })]),
      }),
    ],
    events: ['connect'],
  },
  {
    name: 'a value switched to AMF3 by 0x11 does not switch the next one (ER2)',
    bytes: [
      PLAIN_HANDSHAKE,
      connect({ app: 'live' }),
      rawMessage({
        streamId: 1,
        payload: concat(marshalAmf0(['publish', 2]), hex('11 01'), marshalAmf0(['key', 'live'])),
      }),
    ],
    events: ['connect', 'publish-request'],
  },
  {
    name: 'protocol control on csid 5 and sid 1 (gortmplib)',
    bytes: [
      plainStart,
      rawMessage({ typeId: MessageType.setChunkSize, csid: 5, streamId: 1, payload: hex('00001000') }),
      rawMessage({ typeId: MessageType.video, csid: 6, streamId: 1, payload: new Uint8Array(4000) }, 4096),
    ],
    events: ['connect', 'publish-request', 'video@0'],
  },
  {
    name: 'aggregate message (22): rebased to its own time',
    bytes: [
      plainStart,
      rawMessage({
        typeId: MessageType.aggregate,
        streamId: 1,
        timestampMs: 5000,
        payload: hex('08 000002 000064 00 000000 af01 0000000d 09 000002 00006e 00 000000 1701 0000000d'),
      }),
    ],
    events: ['connect', 'publish-request', 'audio@5000', 'video@5010'],
  },
  {
    name: 'empty audio is silence and is passed on',
    bytes: [plainStart, media('audio', 23, new Uint8Array(0))],
    events: ['connect', 'publish-request', 'audio@23'],
  },
  {
    name: 'a sequence header at 0, the first frame at 100000',
    bytes: [plainStart, media('video', 0, AVCC), media('video', 100_000, FRAME)],
    events: ['connect', 'publish-request', 'video@0', 'video@100000'],
  },
  {
    name: 'data other than metadata is passed on',
    bytes: [plainStart, data('onTextData', amfObject({ text: 'hello' }))],
    events: ['connect', 'publish-request', 'data@0'],
  },
  {
    name: 'an encoder that publishes again on the same connection',
    bytes: [
      plainStart,
      command('deleteStream', 4, [null, 1]),
      command('createStream', 5, [null]),
      command('publish', 6, [null, 'key', 'live'], { csid: 8, streamId: 1 }),
      media('video', 0, AVCC),
    ],
    events: ['connect', 'publish-request', 'unpublish', 'publish-request', 'video@0'],
  },
  {
    name: 'closeStream ends the publication as well',
    bytes: [plainStart, command('closeStream', 0, [null], { streamId: 1 })],
    events: ['connect', 'publish-request', 'unpublish'],
  },
  {
    name: 'deleteStream of another stream does not',
    bytes: [plainStart, command('deleteStream', 0, [null, 7]), media('audio', 1, AAC)],
    events: ['connect', 'publish-request', 'audio@1'],
  },
  {
    name: 'media before publish is dropped',
    bytes: [PLAIN_HANDSHAKE, connect({ app: 'live' }), media('video', 0, AVCC), data('onMetaData', metadata)],
    events: ['connect'],
  },
];

describe('encoders', () => {
  test.each(cases)('$name', ({ bytes, events, answers }) => {
    const probe = new SessionProbe();
    for (const part of bytes) probe.push(part);
    expect(probe.kinds()).toEqual(events);
    if (answers !== undefined)
      expect(probe.commands.map((c) => `${c.name} ${c.transactionId}`)).toEqual(answers);
  });

  test.each(cases)('$name; all in one input', ({ bytes, events }) => {
    expect(new SessionProbe().push(concat(...bytes)).kinds()).toEqual(events);
  });
});
