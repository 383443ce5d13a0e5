import { describe, expect, test } from '@jest/globals';
import { MessageType } from '../message-type.ts';
import { isRtmpError } from '../rtmp-error.ts';
import { fuzz, FUZZ_RUNS } from '../testdata/fuzz.ts';
import { hex } from '../testdata/wire.ts';
import { parseAggregate } from './aggregate.ts';

const AUDIO_AND_VIDEO = hex(
  '08 000002 000064 00 00000a af01 0000000d 09 000003 00008c 00 00000b 170100 0000000e',
);

describe('aggregate message, properties', () => {
  test('mutated aggregates give messages inside the payload or a named error', () => {
    let whole = 0;
    const runs = fuzz([AUDIO_AND_VIDEO], (payload) => {
      try {
        const got = parseAggregate({
          typeId: MessageType.aggregate,
          csid: 4,
          streamId: 1,
          timestampMs: 5000,
          payload,
        });
        // Each is as long as its header says, and lies behind it.
        let at = 0;
        for (const { payload: inner } of got) {
          const length = Buffer.from(payload).readUIntBE(at + 1, 3);
          if (inner.length !== length || inner.byteOffset !== payload.byteOffset + at + 11)
            throw new Error(`message at ${at}: ${inner.length} of ${length} bytes`);
          at += 11 + length + 4;
        }
        if (at - 4 > payload.length) throw new Error('more than came in');
        whole += 1;
      } catch (error) {
        if (!isRtmpError(error)) throw error;
      }
    });
    expect(runs).toBeGreaterThanOrEqual(FUZZ_RUNS);
    expect(whole).toBeGreaterThan(runs / 20);
  });
});
