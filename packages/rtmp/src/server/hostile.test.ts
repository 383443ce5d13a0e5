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

const CONNECTED = concat(PLAIN_HANDSHAKE, connect({ app: 'live', tcUrl: 'rtmp://h/live' }));
const ping = rawMessage({ typeId: MessageType.userControl, csid: 2, payload: hex('0006 00000001') });
const nested = (depth: number): Uint8Array =>
  concat(
    Uint8Array.from([...marshalAmf0(['connect', 1])]),
    ...Array.from({ length: depth }, () => hex('0a 00000001')),
    hex('05'),
  );
const times = (n: number, bytes: Uint8Array): Uint8Array => concat(...Array.from({ length: n }, () => bytes));

interface Case {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** The events; the last is the error, if the peer has to go. */
  readonly events: readonly string[];
}

const cases: readonly Case[] = [
  {
    name: 'an HTTP probe',
    bytes: new Uint8Array(Buffer.from('GET / HTTP/1.1\r\n\r\n')),
    events: ['NOT_RTMP'],
  },
  { name: 'a TLS client hello on the plain port', bytes: hex('16 0301 0200'), events: ['TLS_ON_PLAIN_PORT'] },
  { name: 'RTMPE, version 6', bytes: hex('06'), events: ['ENCRYPTION_UNSUPPORTED'] },
  { name: 'RTMPE, version 8', bytes: hex('08'), events: ['ENCRYPTION_UNSUPPORTED'] },
  { name: 'a version before 3', bytes: hex('00'), events: ['VERSION_UNSUPPORTED'] },
  {
    name: 'OBS that keeps the chunk size of its last connection and does not say so (obs-studio#877)',
    bytes: concat(
      PLAIN_HANDSHAKE,
      rawMessage(
        { payload: marshalAmf0(['connect', 1, amfObject({ app: 'live', swfUrl: 'x'.repeat(200) })]) },
        4096,
      ),
    ),
    events: ['MESSAGE_TOO_LARGE'],
  },
  {
    name: 'tcUrl "not a url" ended the process of Node-Media-Server 4.4.3',
    bytes: concat(PLAIN_HANDSHAKE, connect({ app: 'live', tcUrl: 'not a url' })),
    events: ['connect'],
  },
  {
    name: 'app, tcUrl and flashVer of the wrong types (NMS#67)',
    bytes: concat(
      PLAIN_HANDSHAKE,
      connect({ app: 5, tcUrl: null, flashVer: true, fourCcList: 'x', objectEncoding: '3' }),
    ),
    events: ['connect'],
  },
  {
    name: 'a command without a name',
    bytes: concat(PLAIN_HANDSHAKE, rawMessage({ payload: marshalAmf0([7, 1, null]) })),
    events: ['COMMAND_MALFORMED'],
  },
  {
    name: 'an empty command',
    bytes: concat(PLAIN_HANDSHAKE, rawMessage({ payload: new Uint8Array(0) })),
    events: ['COMMAND_MALFORMED'],
  },
  {
    name: 'a transaction that is no number',
    bytes: concat(PLAIN_HANDSHAKE, command('connect', 'one', [amfObject({ app: 'live' })])),
    events: ['connect'],
  },
  {
    name: 'publish before connect',
    bytes: concat(PLAIN_HANDSHAKE, command('publish', 1, [null, 'key'])),
    events: ['COMMAND_UNEXPECTED'],
  },
  {
    name: 'connect twice',
    bytes: concat(CONNECTED, connect({ app: 'x' })),
    events: ['connect', 'COMMAND_UNEXPECTED'],
  },
  {
    name: 'an object for a stream name',
    bytes: concat(CONNECTED, command('publish', 1, [null, amfObject({})])),
    events: ['connect', 'refused'],
  },
  {
    name: 'a stream name that climbs out of a directory',
    bytes: concat(CONNECTED, command('publish', 1, [null, '../../x'])),
    events: ['connect', 'refused'],
  },
  {
    name: 'publish on a connection that already publishes',
    bytes: concat(FFMPEG_PUBLISH, command('publish', 9, [null, 'other'], { streamId: 2 })),
    events: ['connect', 'publish-request', 'refused'],
  },
  {
    name: 'AMF nested 7000 deep (flvmeta#29)',
    bytes: concat(PLAIN_HANDSHAKE, rawMessage({ payload: nested(7000) })),
    events: ['AMF_TOO_DEEP'],
  },
  {
    name: 'AMF with a count of 4 billion (NMS#88)',
    bytes: concat(
      PLAIN_HANDSHAKE,
      rawMessage({ payload: concat(marshalAmf0(['connect', 1]), hex('0a ffffffff')) }),
    ),
    events: ['AMF_TRUNCATED'],
  },
  {
    name: 'a property called __proto__',
    bytes: concat(
      PLAIN_HANDSHAKE,
      rawMessage({
        payload: concat(
          marshalAmf0(['connect', 1]),
          hex('03 0009'),
          new Uint8Array(Buffer.from('__proto__')),
          hex('03 0003 617070 02 0001 78 000009 000009'),
        ),
      }),
    ),
    events: ['connect'],
  },
  {
    name: 'malformed AMF in metadata is not worth a connection',
    bytes: concat(
      FFMPEG_PUBLISH,
      rawMessage({
        typeId: MessageType.dataAmf0,
        streamId: 1,
        payload: hex('02 000a 6f6e4d65746144617461 ff'),
      }),
      media('audio', 0, hex('af01')),
    ),
    events: ['connect', 'publish-request', 'audio@0'],
  },
  {
    name: 'a chunk size of 0',
    bytes: concat(CONNECTED, rawMessage({ typeId: 1, csid: 2, payload: hex('00000000') })),
    events: ['connect', 'CHUNK_SIZE_INVALID'],
  },
  {
    name: 'an acknowledgement window of 0 and one of 4 GiB are ignored',
    bytes: concat(
      FFMPEG_PUBLISH,
      rawMessage({ typeId: 5, csid: 2, payload: hex('00000000') }),
      rawMessage({ typeId: 5, csid: 2, payload: hex('ffffffff') }),
      media('audio', 0, hex('af01')),
    ),
    events: ['connect', 'publish-request', 'audio@0'],
  },
  {
    name: 'a window that is cut off',
    bytes: concat(CONNECTED, rawMessage({ typeId: 5, csid: 2, payload: hex('0000') })),
    events: ['connect', 'CONTROL_MALFORMED'],
  },
  {
    name: 'a user control message without a type',
    bytes: concat(CONNECTED, rawMessage({ typeId: 4, csid: 2, payload: hex('00') })),
    events: ['connect', 'CONTROL_MALFORMED'],
  },
  {
    name: 'a flood of pings',
    bytes: concat(CONNECTED, times(1000, ping)),
    events: ['connect', 'CONTROL_FLOOD'],
  },
  {
    name: 'a flood of createStream',
    bytes: concat(CONNECTED, times(17, command('createStream', 2, [null]))),
    events: ['connect', 'COMMAND_UNEXPECTED'],
  },
  {
    name: 'a flood of empty messages, one byte each',
    bytes: concat(CONNECTED, rawChunk({ typeId: 8, csid: 4 }), times(1000, hex('c4'))),
    events: ['connect', 'CONTROL_FLOOD'],
  },
  {
    name: 'a flood of messages of unknown type',
    bytes: concat(CONNECTED, times(1000, rawMessage({ typeId: 99, payload: hex('00') }))),
    events: ['connect', 'CONTROL_FLOOD'],
  },
  {
    name: 'a few messages of unknown type, shared objects and a metadata message of type 16',
    bytes: concat(CONNECTED, ...[7, 16, 19, 99].map((typeId) => rawMessage({ typeId, payload: hex('00') }))),
    events: ['connect'],
  },
  {
    name: 'a video message of 70 kB before the key was accepted',
    bytes: concat(CONNECTED, rawChunk({ length: 70_000, payload: new Uint8Array(128) })),
    events: ['connect', 'MESSAGE_TOO_LARGE'],
  },
  {
    name: 'a video message of 16 MB after it was accepted',
    bytes: concat(FFMPEG_PUBLISH, rawChunk({ csid: 6, length: 0xffffff, payload: new Uint8Array(128) })),
    events: ['connect', 'publish-request', 'MESSAGE_TOO_LARGE'],
  },
  {
    name: 'an aggregate whose inner length is too long',
    bytes: concat(
      FFMPEG_PUBLISH,
      rawMessage({ typeId: 22, streamId: 1, payload: hex('08 00ffff 000000 00 000000 af01 0000000d') }),
    ),
    events: ['connect', 'publish-request', 'AGGREGATE_MALFORMED'],
  },
  {
    name: 'an aggregate inside an aggregate',
    bytes: concat(
      FFMPEG_PUBLISH,
      rawMessage({ typeId: 22, streamId: 1, payload: hex('16 000002 000000 00 000000 af01 0000000d') }),
    ),
    events: ['connect', 'publish-request', 'AGGREGATE_MALFORMED'],
  },
  {
    name: 'video only, audio only and unexpected video end nobody (mediamtx#1502, #1504, #1822)',
    bytes: concat(FFMPEG_PUBLISH, media('video', 0, hex('ff')), media('audio', 0, hex('ff ff'))),
    events: ['connect', 'publish-request', 'video@0', 'audio@0'],
  },
  {
    name: 'play is refused with a status',
    bytes: concat(
      CONNECTED,
      command('createStream', 2, [null]),
      command('play', 3, [null, 'key'], { streamId: 1 }),
    ),
    events: ['connect', 'refused'],
  },
];

describe('hostile peers', () => {
  test.each(cases)('$name', ({ bytes, events }) => {
    const probe = new SessionProbe().push(bytes);
    expect(probe.kinds()).toEqual(events);
    const last = probe.events.at(-1)?.kind;
    expect(probe.session.phase === 'closed').toBe(last === 'error' || last === 'refused');
  });

  test('nothing of the prototype is reachable by a property called __proto__', () => {
    const probe = new SessionProbe().push(
      concat(
        FFMPEG_PUBLISH,
        data('onMetaData', amfObject({ ['__proto__']: amfObject({ polluted: true }), width: 1 })),
      ),
    );
    expect(probe.kinds()).toContain('metadata');
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test('40 headers of 8 MB hold no more than the first buffers and end at the cap', () => {
    const probe = new SessionProbe().push(FFMPEG_PUBLISH);
    const header = (csid: number): Uint8Array =>
      rawChunk({ csid, length: 8 * 1024 * 1024, payload: new Uint8Array(128) });
    for (let csid = 10; csid < 26; csid += 1) probe.push(header(csid));
    expect(probe.session.heldBytes).toBeLessThanOrEqual(16 * 16 * 1024);
    expect(probe.push(header(26)).kinds().at(-1)).toBe('TOO_MANY_PARTIAL_MESSAGES');
    expect(probe.session.heldBytes).toBe(0);
  });
});
