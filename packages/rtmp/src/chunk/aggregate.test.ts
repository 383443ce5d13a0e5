import { describe, expect, test } from '@jest/globals';
import { MessageType } from '../message-type.ts';
import { hex } from '../testdata/wire.ts';
import { parseAggregate } from './aggregate.ts';

const aggregate = (payload: string, timestampMs = 5000): Parameters<typeof parseAggregate>[0] => ({
  typeId: MessageType.aggregate,
  csid: 4,
  streamId: 1,
  timestampMs,
  payload: hex(payload),
});
const AUDIO_100 = '08 000002 000064 00 00000a af01';
const VIDEO_140 = '09 000003 00008c 00 00000b 170100';

describe('aggregate message (R1 7.1.6)', () => {
  test('times are rebased to its own, the stream id is its own', () => {
    const got = parseAggregate(aggregate(`${AUDIO_100} 0000000d ${VIDEO_140} 0000000e`));
    expect(
      got.map((m) => [m.typeId, m.timestampMs, m.streamId, Buffer.from(m.payload).toString('hex')]),
    ).toEqual([
      [8, 5000, 1, 'af01'],
      [9, 5040, 1, '170100'],
    ]);
  });

  test('a time that goes back inside stays relative', () => {
    const got = parseAggregate(aggregate(`${VIDEO_140} 0000000e ${AUDIO_100} 0000000d`));
    expect(got.map((m) => m.timestampMs)).toEqual([5000, 4960]);
  });

  test('the upper 8 bits of a time stand behind the lower 24, and the result wraps', () => {
    const got = parseAggregate(
      aggregate('08 000001 000000 01 000000 af 0000000c 08 000001 000010 01 000000 af 0000000c', 0xfffffff8),
    );
    expect(got.map((m) => m.timestampMs)).toEqual([0xfffffff8, 8]);
  });

  test('the last back-pointer may be missing', () => {
    expect(parseAggregate(aggregate(AUDIO_100))).toHaveLength(1);
  });

  test('an empty aggregate holds nothing', () => {
    expect(parseAggregate(aggregate(''))).toEqual([]);
  });

  test.each([
    ['a header cut off', '08 0000'],
    ['a length beyond the message', '08 000003 000064 00 000000 af01'],
    ['a length of 16 MB', '08 ffffff 000064 00 000000 af01'],
    ['a back-pointer cut off', `${AUDIO_100} 0000`],
    ['an aggregate inside', '16 000002 000064 00 000000 af01'],
    ['a command inside', '14 000002 000064 00 000000 af01'],
  ])('%s is malformed', (_, payload) => {
    expect(() => parseAggregate(aggregate(payload))).toThrow(
      expect.objectContaining({ kind: 'AGGREGATE_MALFORMED' }),
    );
  });
});
