import { describe, expect, test } from '@jest/globals';
import type { RtmpMessage } from '../message-type.ts';
import { hex } from '../testdata/wire.ts';
import {
  acknowledgement,
  parseUint32,
  parseUserControl,
  setChunkSize,
  setPeerBandwidth,
  userControl,
  windowAckSize,
} from './control-message.ts';
import { FloodGate } from './flood-gate.ts';

const row = (m: RtmpMessage): readonly (number | string)[] => [
  m.typeId,
  m.csid,
  m.streamId,
  Buffer.from(m.payload).toString('hex'),
];

describe('control messages', () => {
  test.each([
    ['set chunk size', setChunkSize(65_536), [1, 2, 0, '00010000']],
    ['acknowledgement', acknowledgement(45_953_968), [3, 2, 0, '02bd33b0']],
    [
      'acknowledgement beyond 2^32 counts modulo 2^32 (nginx starts again at 0xf0000000)',
      acknowledgement(0x1_0000_0005),
      [3, 2, 0, '00000005'],
    ],
    ['window acknowledgement size', windowAckSize(2_500_000), [5, 2, 0, '002625a0']],
    ['set peer bandwidth, dynamic', setPeerBandwidth(2_500_000), [6, 2, 0, '002625a002']],
    ['ping', userControl(6, 569_834_435), [4, 2, 0, '000621f6fbc3']],
  ])('%s', (_, message, expected) => {
    expect(row(message)).toEqual(expected);
  });

  test('user control is parsed, with or without a value', () => {
    expect(parseUserControl(hex('0003 00008ace 00039751'))).toEqual({ type: 3, value: 35_534 });
    expect(parseUserControl(hex('0020'))).toEqual({ type: 32, value: 0 });
  });

  test.each([
    ['user control', () => parseUserControl(hex('00'))],
    ['32-bit value', () => parseUint32(hex('000000'))],
  ])('%s cut off is malformed', (_, parse) => {
    expect(parse).toThrow(expect.objectContaining({ kind: 'CONTROL_MALFORMED' }));
  });
});

describe('flood gate', () => {
  test('lets a burst of 1000 through, then 200 per second', () => {
    const gate = new FloodGate(0);
    for (let i = 0; i < 1000; i += 1) gate.pass(0, 0);
    expect(() => gate.pass(0, 7)).toThrow(expect.objectContaining({ kind: 'CONTROL_FLOOD', offset: 7 }));
    const again = new FloodGate(0);
    for (let i = 0; i < 1000; i += 1) again.pass(0, 0);
    for (let i = 0; i < 200; i += 1) again.pass(1000, 0);
    expect(() => again.pass(1000, 0)).toThrow();
  });

  test('a clock that goes back gives nothing', () => {
    const gate = new FloodGate(1000);
    for (let i = 0; i < 1000; i += 1) gate.pass(0, 0);
    expect(() => gate.pass(0, 0)).toThrow();
  });
});
