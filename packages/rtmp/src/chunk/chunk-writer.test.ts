import { describe, expect, test } from '@jest/globals';
import type { RtmpMessage } from '../message-type.ts';
import { hex } from '../testdata/wire.ts';
import { ChunkWriter } from './chunk-writer.ts';

const message = (timestampMs: number, payload: string, more: Partial<RtmpMessage> = {}): RtmpMessage => ({
  typeId: 9,
  csid: 4,
  streamId: 1,
  timestampMs,
  payload: hex(payload),
  ...more,
});

interface Case {
  readonly name: string;
  readonly chunkSize?: number;
  readonly messages: readonly RtmpMessage[];
  readonly bytes: string;
}

const cases: readonly Case[] = [
  {
    name: 'fmt 0, stream id little-endian',
    messages: [message(1000, 'aa', { streamId: 0x0102 })],
    bytes: '04 0003e8 000001 09 02010000 aa',
  },
  {
    name: 'fmt 1 for another length, fmt 2 for the same',
    messages: [message(1000, 'aa'), message(1040, 'bbbb'), message(1060, 'cccc')],
    bytes: '04 0003e8 000001 09 01000000 aa  44 000028 000002 09 bbbb  84 000014 cccc',
  },
  {
    name: 'fmt 0 again when the time goes back',
    messages: [message(1000, 'aa'), message(990, 'bb')],
    bytes: '04 0003e8 000001 09 01000000 aa  04 0003de 000001 09 01000000 bb',
  },
  {
    name: 'fmt 0 again on another message stream',
    messages: [message(0, 'aa'), message(0, 'bb', { streamId: 2 })],
    bytes: '04 000000 000001 09 01000000 aa  04 000000 000001 09 02000000 bb',
  },
  {
    name: 'fmt 3 inside a message',
    chunkSize: 2,
    messages: [message(5, 'aabbcc')],
    bytes: '04 000005 000003 09 01000000 aabb c4 cc',
  },
  {
    name: 'fmt 3 always repeats an extended timestamp',
    chunkSize: 2,
    messages: [message(0x1000000, 'aabbccdd')],
    bytes: '04 ffffff 000004 09 01000000 01000000 aabb c4 01000000 ccdd',
  },
  {
    name: 'a time at and below the extension',
    messages: [message(0xfffffe, 'aa'), message(0xffffff, 'bb', { csid: 5 })],
    bytes: '04 fffffe 000001 09 01000000 aa  05 ffffff 000001 09 01000000 00ffffff bb',
  },
  {
    name: 'a delta that would need an extension is written as fmt 0, which all readers read alike',
    messages: [message(0, 'aa'), message(0x1000000, 'bb')],
    bytes: '04 000000 000001 09 01000000 aa  04 ffffff 000001 09 01000000 01000000 bb',
  },
  {
    name: 'csid 64 and 320',
    messages: [message(0, 'aa', { csid: 64 }), message(0, 'bb', { csid: 320 })],
    bytes: '0000 000000 000001 09 01000000 aa  010001 000000 000001 09 01000000 bb',
  },
  {
    name: 'an empty message is one header',
    messages: [message(0, '')],
    bytes: '04 000000 000000 09 01000000',
  },
];

describe('chunk writer', () => {
  test.each(cases)('$name', ({ chunkSize, messages, bytes }) => {
    const writer = new ChunkWriter();
    if (chunkSize !== undefined) writer.chunkSize = chunkSize;
    const got = Buffer.concat(messages.map((m) => writer.marshal(m)));
    expect(got.toString('hex')).toBe(Buffer.from(hex(bytes)).toString('hex'));
  });
});
